/**
 * The bot whose log opsbot watches: an ordinary npm wechaty bot in the style of the getting-started example.
 *
 * What it logs is what such a bot logs (brolog, prefix StarterBot); only the puppet under it is the mock one, in this process.
 *
 *   node starter_bot.mjs
 *
 * STARTER_CONTROL_FILE=/path   listen on a free loopback port for orders and write {"port":…,"pid":…} there. The account that
 *                              is logged in is kept beside it and logs in again after a restart, as with a memory card.
 * STARTER_QR_EVERY_MS=2000     while nobody is logged in, show a fresh QR that often, as real puppets do. 0: only on order.
 *
 * Orders (POST, JSON): /scan {qrcode,status}  /login {name,id}  /logout {reason}  /say {name,text,id,room}  /print {text,stream}
 * /crash {code}; GET /sent answers what the bot has said.
 */
import * as fs from 'node:fs'
import * as http from 'node:http'
import { ScanStatus, WechatyBuilder, log } from 'wechaty'
import { PuppetMock, mock } from 'wechaty-puppet-mock'
import qrcode_terminal from 'qrcode'

// --- the bot

function on_scan (qrcode, status) {
  if (status === ScanStatus.Waiting || status === ScanStatus.Timeout) {
    const address = `https://wechaty.js.org/qrcode/${encodeURIComponent(qrcode)}`
    log.info('StarterBot', 'onScan: %s(%s) - %s', ScanStatus[status], status, address)
    qrcode_terminal.toString(qrcode || ' ', { small: true, type: 'terminal' }, (_, picture) => console.info(picture))
  } else {
    log.info('StarterBot', 'onScan: %s(%s)', ScanStatus[status], status)
  }
}

function on_login (user) {
  log.info('StarterBot', '%s login', user)
}

function on_logout (user) {
  log.info('StarterBot', '%s logout', user)
}

async function on_message (message) {
  log.info('StarterBot', message.toString())
  if (message.text() === 'ding') await message.say('dong')
}

const mocker = new mock.Mocker()
const puppet = new PuppetMock({ mocker })
const bot = WechatyBuilder.build({ puppet })
bot.on('scan', on_scan)
bot.on('login', on_login)
bot.on('logout', on_logout)
bot.on('message', on_message)
bot.on('error', e => log.error('StarterBot', e))

// --- the account behind it

const control_file = process.env['STARTER_CONTROL_FILE']
const account_file = control_file && `${control_file}.account`
const qr_every_ms = Number(process.env['STARTER_QR_EVERY_MS'] ?? 0)
const sent = []

function contact (id, name) {
  try {
    return mocker.ContactMock.load(id)
  } catch {
    return mocker.createContact({ alias: '', id, name })
  }
}

function login ({ id = 'wxid_starter', name }) {
  puppet.cache.contact.delete(id)
  const self = contact(id, name)
  if (name !== undefined) self.payload.name = name
  if (account_file) fs.writeFileSync(account_file, JSON.stringify({ id, name: self.payload.name }))
  mocker.login(self)
}

async function logout ({ reason = 'logged out on the phone' }) {
  if (account_file) fs.rmSync(account_file, { force: true })
  await puppet.logout(reason)
}

function say ({ id = 'wxid_friend', name = 'Friend', room, text }) {
  const from = contact(id, name)
  const self = mocker.ContactMock.load(puppet.currentUserId)
  if (room === undefined) return from.say(text).to(self)
  let place
  try {
    place = mocker.RoomMock.load(room)
  } catch {
    place = mocker.createRoom({ id: room, memberIdList: [id, self.id], topic: room })
  }
  return from.say(text).to(place)
}

const send_text = puppet.messageSendText.bind(puppet)
puppet.messageSendText = async (conversation_id, text) => {
  sent.push({ at_ms: Date.now(), conversation_id, text })
  return send_text(conversation_id, text)
}

let qr_number = 0
const fresh_qr = () => `http://weixin.qq.com/x/${process.pid}-${++qr_number}==`
const show_qr = () => { if (!puppet.isLoggedIn) mocker.scan(fresh_qr(), ScanStatus.Waiting) }

// --- orders

const orders = {
  'GET /sent': () => ({ sent }),
  'POST /crash': ({ code = 1 }) => setImmediate(() => process.exit(code)) && {},
  'POST /login': body => login(body),
  'POST /logout': body => logout(body),
  'POST /print': ({ stream = 'stdout', text }) => process[stream].write(text) && {},
  'POST /say': body => say(body),
  'POST /scan': ({ qrcode = fresh_qr(), status = ScanStatus.Waiting }) => mocker.scan(qrcode, status),
}

async function obey (request) {
  const parts = []
  for await (const part of request) {
    parts.push(part)
    if (parts.reduce((sum, each) => sum + each.length, 0) > 1024 * 1024) throw new Error('an order may have 1 MB')
  }
  const order = orders[`${request.method} ${request.url}`]
  if (!order) throw new Error(`no order ${request.method} ${request.url}`)
  return (await order(JSON.parse(Buffer.concat(parts).toString() || '{}'))) ?? {}
}

function listen () {
  const server = http.createServer((request, response) => {
    obey(request).then(
      said => response.end(JSON.stringify(said)),
      e => response.writeHead(400).end(JSON.stringify({ error: e.message })),
    )
  })
  server.listen(0, '127.0.0.1', () => {
    fs.writeFileSync(`${control_file}.partial`, JSON.stringify({ pid: process.pid, port: server.address().port }))
    fs.renameSync(`${control_file}.partial`, control_file)
  })
}

await bot.start()
log.info('StarterBot', 'Starter Bot Started.')
if (account_file && fs.existsSync(account_file)) login(JSON.parse(fs.readFileSync(account_file, 'utf8')))
if (qr_every_ms > 0) {
  show_qr()
  setInterval(show_qr, qr_every_ms)
}
if (control_file) listen()
else setInterval(() => {}, 60_000)
