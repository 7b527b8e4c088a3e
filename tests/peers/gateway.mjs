/**
 * A wechaty gateway to test against: npm's own PuppetServer (gRPC) in front of a mock puppet, and a control API.
 *
 * The wire is the real one, only WeChat behind it is played. Where the stock mock is weaker than a real puppet (no
 * message id, empty rooms, a fake image, contacts that never change) it is overridden, or tests would prove less.
 *
 *   node gateway.mjs --port 0 --control-port 0 --token secret --state /tmp/x.json [--tls] [--exit-with-stdin]
 *
 * One JSON line on stdout says it is ready: {"port":…,"control_port":…,"pid":…}. Everything else goes to stderr.
 * The login, a waiting QR, contacts, rooms, wires and what was sent survive kill -9: they are on disk before any answer.
 */
import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import * as http from 'node:http'
import * as net from 'node:net'
import * as path from 'node:path'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import * as zlib from 'node:zlib'

const BODY_MAX_BYTES = 16 * 1024 * 1024
const HANDLER_MAX_MS = 40_000
const WAIT_MAX_MS = 30_000
const KEPT_MESSAGES = 20_000
const WIRE_RETRY_MS = 250
const WIRE_GIVE_UP_MS = 20_000
const BIND_ATTEMPTS = 20
const BIND_PAUSE_MS = 100

const { values: args } = parseArgs({
  options: {
    'control-port': { default: '0', type: 'string' },
    'exit-with-stdin': { default: false, type: 'boolean' },
    'heartbeat-ms': { default: '15000', type: 'string' },
    port: { default: '0', type: 'string' },
    state: { type: 'string' },
    tls: { default: false, type: 'boolean' },
    token: { type: 'string' },
  },
})
if (!args.token || !args.state) {
  process.stderr.write('usage: gateway.mjs --token T --state FILE [--port N] [--control-port N] [--tls]\n')
  process.exit(2)
}

// stdout carries the ready line and nothing else; the libraries print to it at level info.
console.log = console.info = console.error
process.env['WECHATY_LOG'] ??= 'error'
const PUPPET = await import('wechaty-puppet')
const { PuppetMock } = await import('wechaty-puppet-mock')
const { PuppetServer } = await import('wechaty-puppet-service')
const { FileBox, FileBoxType } = await import('file-box')

const now_ms = () => performance.timeOrigin + performance.now()
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

/** An error the control API answers with its own status. */
class Refused extends Error {
  constructor (status, message) {
    super(message)
    this.status = status
  }
}

/** A real PNG of one colour, drawn from a name, so that images have true bytes. */
function png (name, side = 32) {
  const crc_table = Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
    return n >>> 0
  })
  const crc = bytes => {
    let c = 0xffffffff
    for (const b of bytes) c = crc_table[(c ^ b) & 0xff] ^ (c >>> 8)
    return (c ^ 0xffffffff) >>> 0
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const out = Buffer.alloc(body.length + 8)
    out.writeUInt32BE(data.length, 0)
    body.copy(out, 4)
    out.writeUInt32BE(crc(body), body.length + 4)
    return out
  }
  const seed = crc(Buffer.from(name))
  const header = Buffer.alloc(13)
  header.writeUInt32BE(side, 0)
  header.writeUInt32BE(side, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(side * 3, Buffer.from([seed & 255, (seed >> 8) & 255, (seed >> 16) & 255]))])
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(Buffer.concat(Array.from({ length: side }, () => row)))),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** What must survive kill -9. The state is replaced whole; what was sent is appended, one JSON object per line. */
class Store {
  constructor (file) {
    this.file = file
    this.sent_file = `${file}.sent.jsonl`
    this.state = { contacts: {}, login: null, rooms: {}, scan: null, wires: {} }
    this.sent = []
    if (fs.existsSync(file)) Object.assign(this.state, JSON.parse(fs.readFileSync(file, 'utf8')))
    if (fs.existsSync(this.sent_file)) {
      for (const line of fs.readFileSync(this.sent_file, 'utf8').split('\n')) {
        try {
          if (line) this.sent.push(JSON.parse(line))
        } catch {
          process.stderr.write('gateway: a torn line in the sent file was left out\n')
        }
      }
    }
  }

  save () {
    const partial = `${this.file}.partial`
    fs.writeFileSync(partial, JSON.stringify(this.state))
    fs.renameSync(partial, this.file)
  }

  add_sent (record) {
    fs.appendFileSync(this.sent_file, JSON.stringify(record) + '\n')
    this.sent.push(record)
  }

  clear_sent () {
    fs.writeFileSync(this.sent_file, '')
    this.sent.length = 0
  }
}

/** MockPuppet, made to behave as puppets of real accounts do. */
class GatewayPuppet extends PuppetMock {
  constructor (store) {
    super({ timeoutSeconds: 86_400 }) // the watchdog would reset the puppet after a test froze the process
    this.store = store
    this.messages = new Map()
    this.faults = []
    this.attempts = []
    this.calls = {}
    this.delay_ms = 0
    this.wire_errors = []
    this.wire_tails = new Map()
    this.on('error', () => {}) // EventEmitter throws an error event nobody hears
  }

  count (name) { this.calls[name] = (this.calls[name] ?? 0) + 1 }

  async start () {
    this.count('start')
    return super.start()
  }

  async stop () {
    this.count('stop')
    return super.stop()
  }

  // --- the account

  login (id) {
    this.store.state.login = id
    this.store.state.scan = null
    this.store.save()
    super.login(id)
  }

  /** Reached by the control API and by a client's Logout alike. */
  async logout (reason = 'logout()') {
    this.count('logout')
    this.store.state.login = null
    this.store.save()
    await super.logout(reason)
  }

  ding (data) {
    this.count('ding')
    setImmediate(() => this.emit('dong', { data: data || '' }))
  }

  // --- contacts and rooms

  contact (id) {
    const contact = this.store.state.contacts[id]
    if (!contact) throw new Error(`contact ${id} not found`)
    return contact
  }

  room (id) {
    const room = this.store.state.rooms[id]
    if (!room) throw new Error(`room ${id} not found`)
    return room
  }

  async contactList () {
    this.count('contactList')
    return this.isLoggedIn ? Object.keys(this.store.state.contacts) : []
  }

  async contactRawPayload (id) {
    this.count('contactPayload')
    const contact = this.contact(id)
    return { avatar: '', gender: 0, phone: [], type: 1, ...contact, handle: contact.weixin }
  }

  async contactAlias (id, alias) {
    if (alias === undefined) return this.contact(id).alias ?? ''
    this.contact(id).alias = alias ?? ''
    this.store.save()
    this.dirtyPayload(PUPPET.types.Dirty.Contact, id)
  }

  async contactAvatar (id, file) {
    if (!file) return FileBox.fromBuffer(png(this.contact(id).id), `${id}.png`)
  }

  async contactSelfQRCode () { return `https://u.wechat.com/${this.currentUserId}` }

  async roomList () {
    this.count('roomList')
    return this.isLoggedIn ? Object.keys(this.store.state.rooms) : []
  }

  async roomRawPayload (id) {
    this.count('roomPayload')
    const room = this.room(id)
    return { adminIdList: [], avatar: '', id, memberIdList: [...room.members], ownerId: room.owner ?? '', topic: room.topic }
  }

  async roomMemberList (id) {
    this.count('roomMemberList')
    return [...this.room(id).members]
  }

  async roomMemberRawPayload (room_id, id) {
    this.count('roomMemberPayload')
    if (!this.room(room_id).members.includes(id)) throw new Error(`contact ${id} is not in room ${room_id}`)
    return { avatar: '', id, name: this.contact(id).name, roomAlias: this.room(room_id).aliases?.[id] ?? '' }
  }

  async roomTopic (id, topic) {
    if (topic === undefined) return this.room(id).topic
    const old = this.room(id).topic
    this.room(id).topic = topic
    this.store.save()
    this.dirtyPayload(PUPPET.types.Dirty.Room, id)
    this.emit('room-topic', { changerId: this.currentUserId, newTopic: topic, oldTopic: old, roomId: id, timestamp: Date.now() })
  }

  async roomAvatar (id) { return FileBox.fromBuffer(png(this.room(id).topic), `${id}.png`) }

  // --- messages coming in

  keep (message, file) {
    this.messages.delete(message.id)
    this.messages.set(message.id, { file, message })
    this.cache.message.delete(message.id)
    if (this.messages.size > KEPT_MESSAGES) this.messages.delete(this.messages.keys().next().value)
  }

  async messageRawPayload (id) {
    this.count('messagePayload')
    const kept = this.messages.get(id)
    if (!kept) throw new Error(`message ${id} not found`)
    return kept.message
  }

  file_of (id) {
    const kept = this.messages.get(id)
    if (!kept?.file) throw new Error(`message ${id} has no file`)
    return FileBox.fromBase64(kept.file.base64, kept.file.name)
  }

  async messageFile (id) {
    this.count('messageFile')
    return this.file_of(id)
  }

  async messageImage (id) {
    this.count('messageImage')
    return this.file_of(id)
  }

  async messageRecall (id) { return this.messages.delete(id) }

  // --- messages going out

  async messageSendText (conversation_id, text, mention_ids) {
    return this.send(conversation_id, 'text', { mention_ids: mention_ids ?? [], text })
  }

  async messageSendFile (conversation_id, file) {
    if (file.type === FileBoxType.Url) throw new Error('this gateway fetches nothing from the network: send the bytes')
    const bytes = await file.toBuffer()
    return this.send(conversation_id, 'file', {
      file: { base64: bytes.toString('base64'), bytes: bytes.length, media_type: file.mediaType ?? '', name: file.name },
    })
  }

  async messageSendContact (conversation_id, id) { return this.send(conversation_id, 'contact', { text: id }) }
  async messageSendUrl (conversation_id, link) { return this.send(conversation_id, 'url', { text: JSON.stringify(link) }) }
  async messageSendLocation (conversation_id, at) { return this.send(conversation_id, 'location', { text: JSON.stringify(at) }) }
  async messageSendMiniProgram (conversation_id, it) { return this.send(conversation_id, 'mini-program', { text: JSON.stringify(it) }) }

  async messageForward (conversation_id, message_id) {
    const kept = this.messages.get(message_id)
    if (!kept) throw new Error(`message ${message_id} not found`)
    return kept.file
      ? this.send(conversation_id, 'file', { file: kept.file })
      : this.send(conversation_id, 'text', { mention_ids: [], text: kept.message.text })
  }

  async send (conversation_id, kind, content) {
    const attempt = { at_ms: now_ms(), conversation_id, kind, outcome: 'pending' }
    this.attempts.push(attempt)
    if (this.attempts.length > KEPT_MESSAGES) this.attempts.shift()
    try {
      if (this.delay_ms > 0) await sleep(this.delay_ms)
      const fault = this.next_fault()
      if (fault?.mode === 'hang') await new Promise(() => {})
      if (fault?.mode === 'before') throw new Error(fault.error)
      const id = this.deliver(conversation_id, kind, content)
      if (fault?.mode === 'after') throw new Error(fault.error)
      attempt.outcome = 'sent'
      return fault?.mode === 'no_id' ? undefined : id
    } catch (e) {
      attempt.outcome = `error: ${e.message}`
      throw e
    }
  }

  next_fault () {
    const fault = this.faults[0]
    if (fault && --fault.n <= 0) this.faults.shift()
    return fault
  }

  deliver (conversation_id, kind, content) {
    if (!this.isLoggedIn) throw new Error('not logged in')
    const self_id = this.currentUserId
    const is_room = conversation_id in this.store.state.rooms
    if (is_room) {
      if (!this.room(conversation_id).members.includes(self_id)) throw new Error(`${self_id} is not in room ${conversation_id}`)
    } else if (this.contact(conversation_id).friend === false) {
      throw new Error(`contact ${conversation_id} is not a friend`)
    }
    const id = randomUUID()
    const record = {
      at_ms: now_ms(),
      contact_id: is_room ? null : conversation_id,
      file: content.file ?? null,
      id,
      kind,
      mention_ids: content.mention_ids ?? [],
      room_id: is_room ? conversation_id : null,
      self_id,
      seq: (this.store.sent.at(-1)?.seq ?? 0) + 1,
      text: content.text ?? null,
    }
    this.store.add_sent(record)
    this.keep({
      id,
      mentionIdList: record.mention_ids,
      talkerId: self_id,
      ...(is_room ? { roomId: conversation_id } : { listenerId: conversation_id }),
      text: record.text ?? '',
      timestamp: Date.now(),
      type: type_of(kind, content.file),
      ...(content.file ? { filename: content.file.name } : {}),
    }, content.file)
    setImmediate(() => {
      this.emit('message', { messageId: id }) // an account hears its own messages
      waiters.wake()
    })
    this.pass_on(record)
    return id
  }

  /** Carry a message over to the gateway of the account it is for, in order, as WeChat would. */
  pass_on (record) {
    const conversation_id = record.room_id ?? record.contact_id
    const url = this.store.state.wires[conversation_id]
    if (!url) return
    const body = {
      contact: this.contact(record.self_id),
      file: record.file ?? undefined,
      from: record.self_id,
      id: record.id,
      mention_ids: record.mention_ids,
      text: record.text ?? undefined,
      ...(record.room_id ? { room: record.room_id } : { to: record.contact_id }),
    }
    const tail = this.wire_tails.get(url) ?? Promise.resolve()
    this.wire_tails.set(url, tail.then(() => this.carry(url, body)))
  }

  async carry (url, body) {
    const give_up_at = now_ms() + WIRE_GIVE_UP_MS
    let reason = ''
    while (now_ms() < give_up_at) {
      try {
        const answer = await fetch(new URL('/message', url), {
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
          method: 'POST',
          signal: AbortSignal.timeout(5000),
        })
        if (answer.ok) return
        reason = await answer.text()
        if (answer.status !== 409) break // 409: nobody is logged in there just now; WeChat keeps it, so do we for a while
      } catch (e) {
        reason = e.message
      }
      await sleep(WIRE_RETRY_MS)
    }
    this.wire_errors.push({ at_ms: now_ms(), id: body.id, reason })
  }
}

function type_of (kind, file) {
  const { Message } = PUPPET.types
  if (kind === 'file') return /\.(png|jpe?g|gif)$/i.test(file?.name ?? '') ? Message.Image : Message.Attachment
  return { contact: Message.Contact, location: Message.Location, 'mini-program': Message.MiniProgram, url: Message.Url }[kind] ?? Message.Text
}

/** The gRPC side, which can go down and come up again on its port. */
class Wire {
  constructor (puppet, port) {
    this.puppet = puppet
    this.port = port
    this.server = undefined
  }

  get up () { return this.server !== undefined }
  get busy () { return this.puppet.listenerCount('dong') > 0 } // only a connected event stream listens for dong

  async start () {
    if (this.server) return
    for (let attempt = 1; ; attempt++) {
      const server = new PuppetServer({
        endpoint: `127.0.0.1:${this.port}`,
        puppet: this.puppet,
        tls: { disable: !args.tls },
        token: args.token,
      })
      try {
        await server.start()
        this.server = server
        break
      } catch (e) {
        if (attempt >= BIND_ATTEMPTS) throw e // somebody may hold the port for a moment
        await sleep(BIND_PAUSE_MS)
      }
    }
    // The server repeats a waiting QR to a client that connects, but only one it has heard itself.
    if (this.puppet.store.state.scan) this.puppet.emit('scan', this.puppet.store.state.scan)
  }

  async stop () {
    const server = this.server
    this.server = undefined
    await server?.stop()
  }
}

/** Requests that wait for something to happen. */
class Waiters {
  constructor () { this.waiting = new Set() }

  wake () {
    for (const look of this.waiting) look()
  }

  /** Resolves true as soon as the test holds, false after the time. */
  until (holds, wait_ms) {
    if (holds()) return Promise.resolve(true)
    if (!(wait_ms > 0)) return Promise.resolve(false)
    return new Promise(resolve => {
      const done = answer => {
        clearTimeout(timer)
        clearInterval(poll)
        this.waiting.delete(look)
        resolve(answer)
      }
      const look = () => { if (holds()) done(true) }
      const timer = setTimeout(() => done(holds()), Math.min(wait_ms, WAIT_MAX_MS))
      const poll = setInterval(look, 10)
      this.waiting.add(look)
    })
  }
}

async function free_port () {
  const probe = net.createServer()
  await new Promise((resolve, reject) => probe.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = probe.address()
  await new Promise(resolve => probe.close(resolve))
  return port
}

const store = new Store(path.resolve(args.state))
const waiters = new Waiters()
const puppet = new GatewayPuppet(store)
const wire = new Wire(puppet, Number(args.port) || await free_port())

const text_of = (body, key, fallback) => {
  const value = body[key] ?? fallback
  if (typeof value !== 'string') throw new Refused(400, `${key}: a string is needed`)
  return value
}
const number_of = (body, key, fallback) => {
  const value = body[key] ?? fallback
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Refused(400, `${key}: a number is needed`)
  return value
}

function put_contact (body) {
  const id = text_of(body, 'id')
  const known = store.state.contacts[id]
  store.state.contacts[id] = {
    alias: '', friend: true, name: id, weixin: '', ...known, ...body, id,
  }
  store.save()
  if (known) puppet.dirtyPayload(PUPPET.types.Dirty.Contact, id)
  return store.state.contacts[id]
}

function put_room (body) {
  const id = text_of(body, 'id')
  const known = store.state.rooms[id]
  const room = { aliases: {}, members: [], owner: '', topic: id, ...known, ...body, id }
  for (const member of room.members) {
    if (!store.state.contacts[member]) throw new Refused(400, `members: no contact ${member}`)
  }
  store.state.rooms[id] = room
  store.save()
  if (known) {
    puppet.dirtyPayload(PUPPET.types.Dirty.Room, id)
    puppet.dirtyPayload(PUPPET.types.Dirty.RoomMember, id)
  }
  return room
}

function arrive (body) {
  if (!puppet.isLoggedIn) throw new Refused(409, 'nobody is logged in')
  const self_id = puppet.currentUserId
  const from = text_of(body, 'from')
  if (body.contact && !store.state.contacts[from]) put_contact({ ...body.contact, id: from })
  if (!store.state.contacts[from]) throw new Refused(400, `from: no contact ${from}`)
  const room = body.room
  if (room !== undefined && !store.state.rooms[room]) throw new Refused(400, `room: no room ${room}`)
  const to = room === undefined ? text_of(body, 'to', from === self_id ? undefined : self_id) : undefined
  if (to !== undefined && to !== self_id && from !== self_id) throw new Refused(409, `${to} is not logged in here, ${self_id} is`)
  if (to !== undefined && !store.state.contacts[to]) throw new Refused(400, `to: no contact ${to}`)
  const file = body.file && { base64: text_of(body.file, 'base64'), name: text_of(body.file, 'name') }
  const message = {
    id: text_of(body, 'id', randomUUID()),
    mentionIdList: body.mention_ids ?? [],
    talkerId: from,
    ...(room === undefined ? { listenerId: to } : { roomId: room }),
    text: text_of(body, 'text', ''),
    timestamp: number_of(body, 'timestamp', Date.now()),
    type: number_of(body, 'type', type_of(file ? 'file' : 'text', file)),
    ...(file ? { filename: file.name } : {}),
  }
  puppet.keep(message, file)
  const heard = wire.busy
  puppet.emit('message', { messageId: message.id })
  return { heard, id: message.id }
}

const state = () => ({
  attempts: puppet.attempts.length,
  calls: puppet.calls,
  connected: wire.busy,
  contacts: store.state.contacts,
  delay_ms: puppet.delay_ms,
  faults: puppet.faults,
  grpc_up: wire.up,
  logged_in: puppet.isLoggedIn,
  login: puppet.isLoggedIn ? puppet.currentUserId : null,
  pid: process.pid,
  puppet_active: puppet.state.active(),
  rooms: store.state.rooms,
  scan: store.state.scan,
  sent: store.sent.length,
  wire_errors: puppet.wire_errors,
  wires: store.state.wires,
})

const conditions = {
  connected: () => wire.busy,
  disconnected: () => !wire.busy,
  logged_in: () => puppet.isLoggedIn,
  logged_out: () => !puppet.isLoggedIn,
}

/** Each answers what is sent back as JSON. Query values come merged into the body. */
const routes = {
  'DELETE /sent': () => {
    store.clear_sent()
    puppet.attempts.length = 0
    return {}
  },
  'GET /attempts': () => ({ attempts: puppet.attempts }),
  'GET /sent': async ({ after = '0', wait_ms = '0' }) => {
    const newer = () => store.sent.filter(record => record.seq > Number(after))
    await waiters.until(() => (store.sent.at(-1)?.seq ?? 0) > Number(after), Number(wait_ms))
    return { sent: newer() }
  },
  'GET /state': async ({ until, wait_ms = '0' }) => {
    if (until !== undefined && !conditions[until]) throw new Refused(400, `until: one of ${Object.keys(conditions)}`)
    const met = until === undefined || await waiters.until(conditions[until], Number(wait_ms))
    return { met, ...state() }
  },
  'POST /contact': body => put_contact(body),
  'POST /contacts': ({ contacts }) => ({ created: contacts.map(put_contact).length }),
  'POST /delay': body => {
    puppet.delay_ms = number_of(body, 'ms')
    return {}
  },
  'POST /down': async () => {
    await wire.stop()
    return {}
  },
  'POST /emit': ({ event, payload }) => {
    if (!(event in PUPPET.types.PUPPET_EVENT_DICT)) throw new Refused(400, `event: one of ${Object.keys(PUPPET.types.PUPPET_EVENT_DICT)}`)
    const heard = wire.busy
    puppet.emit(event, payload)
    return { heard }
  },
  'POST /exit': () => {
    setTimeout(() => process.exit(0), 20)
    return {}
  },
  'POST /fail': body => {
    const fault = { error: text_of(body, 'error', 'the gateway was told to fail'), mode: text_of(body, 'mode', 'before'), n: number_of(body, 'n', 1) }
    if (!['before', 'after', 'no_id', 'hang'].includes(fault.mode)) throw new Refused(400, 'mode: before, after, no_id or hang')
    if (fault.n > 0) puppet.faults.push(fault)
    else puppet.faults.length = 0
    return {}
  },
  'POST /login': body => {
    const id = text_of(body, 'id')
    if (puppet.isLoggedIn) throw new Refused(409, `${puppet.currentUserId} is logged in: log out first`)
    if (!store.state.contacts[id]) put_contact({ id, ...body.contact })
    puppet.login(id)
    if (body.ready !== false) setImmediate(() => puppet.emit('ready', { data: 'ready' }))
    return {}
  },
  'POST /logout': async body => {
    if (!puppet.isLoggedIn) throw new Refused(409, 'nobody is logged in')
    await puppet.logout(text_of(body, 'reason', 'logged out on the phone'))
    return {}
  },
  'POST /message': body => arrive(body),
  'POST /room': body => put_room(body),
  'POST /scan': body => {
    if (puppet.isLoggedIn) throw new Refused(409, `${puppet.currentUserId} is logged in: log out first`)
    const payload = { qrcode: text_of(body, 'qrcode', ''), status: number_of(body, 'status', PUPPET.types.ScanStatus.Waiting) }
    store.state.scan = payload
    store.save()
    const heard = wire.busy
    puppet.emit('scan', payload)
    return { heard }
  },
  'POST /up': async () => {
    await wire.start()
    return {}
  },
  'POST /wire': body => {
    const id = body.room_id ?? text_of(body, 'contact_id')
    if (body.control_url === null) delete store.state.wires[id]
    else store.state.wires[id] = text_of(body, 'control_url')
    store.save()
    return {}
  },
}

async function body_of (request) {
  const parts = []
  let bytes = 0
  for await (const part of request) {
    bytes += part.length
    if (bytes > BODY_MAX_BYTES) throw new Refused(413, `a body may have ${BODY_MAX_BYTES} bytes`)
    parts.push(part)
  }
  if (bytes === 0) return {}
  try {
    const body = JSON.parse(Buffer.concat(parts).toString('utf8'))
    if (body === null || typeof body !== 'object' || Array.isArray(body)) throw new Error('not an object')
    return body
  } catch (e) {
    throw new Refused(400, `the body is not a JSON object: ${e.message}`)
  }
}

async function answer (request) {
  const url = new URL(request.url, 'http://127.0.0.1')
  const route = routes[`${request.method} ${url.pathname}`]
  if (!route) throw new Refused(404, `no ${request.method} ${url.pathname}`)
  return route({ ...Object.fromEntries(url.searchParams), ...await body_of(request) })
}

const control = http.createServer(async (request, response) => {
  let status = 200
  let said
  let timer
  try {
    const too_late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Refused(504, 'took too long')), HANDLER_MAX_MS)
    })
    said = await Promise.race([answer(request), too_late])
  } catch (e) {
    status = e.status ?? 500
    said = { error: status === 500 ? e.stack : e.message }
  } finally {
    clearTimeout(timer)
  }
  if (response.destroyed) return
  const text = JSON.stringify(said)
  response.writeHead(status, { 'content-length': Buffer.byteLength(text), 'content-type': 'application/json' })
  response.end(text)
})
control.headersTimeout = 10_000
control.requestTimeout = 30_000

await puppet.start()
if (store.state.login) puppet.login(store.state.login)
await wire.start()
if (puppet.isLoggedIn) puppet.emit('ready', { data: 'ready' })
if (Number(args['heartbeat-ms']) > 0) {
  setInterval(() => puppet.emit('heartbeat', { data: 'the puppet is alive' }), Number(args['heartbeat-ms'])).unref()
}
await new Promise((resolve, reject) => control.once('error', reject).listen(Number(args['control-port']), '127.0.0.1', resolve))

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(0))
if (args['exit-with-stdin']) {
  // The parent holds the other end: when it dies, however it dies, this process goes with it.
  process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume()
}
process.stdout.write(JSON.stringify({ control_port: control.address().port, pid: process.pid, port: wire.port }) + '\n')
