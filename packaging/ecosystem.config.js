// Two paired bots under pm2: `pm2 start packaging/ecosystem.config.js`, then `pm2 save`.
//
// Reload a configuration: `pm2 sendSignal SIGHUP opsbot-alice`. Look at the daemon's own log: `pm2 logs opsbot-alice`.
// `pm2 save` writes the environment of every process to a file in clear. So keep secrets out of it: in the
// configuration use token_file, url_file and pair_key_file, each a file with mode 600.

const opsbot = process.env.OPSBOT_BIN || '/opt/opsbot/bin/opsbot'
const folder = process.env.OPSBOT_CONFIG_DIR || '/etc/opsbot'

const bot = name => ({
  name: `opsbot-${name}`,
  script: opsbot,
  args: ['run', '-c', `${folder}/${name}.yaml`],
  interpreter: 'none',
  exec_mode: 'fork', // one process each: a state directory admits one
  kill_timeout: 25000, // an orderly stop takes up to 20 s; pm2 would kill after 1.6 s
  stop_exit_codes: [2] // the configuration or the state directory needs a person: the log says what to mend
})

module.exports = { apps: [bot('alice'), bot('bob')] }
