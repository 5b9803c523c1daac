// The worker: the only place in a browser where a private key is in clear.

import { createKey, openKey, resealKey } from './envelope.js'
import { told } from './errors.js'
import type { Asked, Job, Said } from './jobs.js'

function done(job: Job): Promise<unknown> {
  switch (job.do) {
    case 'create':
      return createKey(job.password)
    case 'open':
      return openKey(job.envelope, job.password)
    case 'reseal':
      return resealKey(job.envelope, job.oldPassword, job.newPassword)
  }
}

addEventListener('message', ({ data }: MessageEvent<Asked>) => {
  const say = (said: Said): void => postMessage(said)
  done(data).then(
    (answer) => say({ id: data.id, answer }),
    (error: unknown) => say({ id: data.id, error: told(error) }),
  )
})
