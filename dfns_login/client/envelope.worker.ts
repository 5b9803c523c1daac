// The worker: the only place in a browser that holds a private key in the clear.

import { createKey, openKey, reencryptKey } from './envelope.js'
import { serializeError } from './errors.js'
import type { JobRequest, Job, JobResponse } from './jobs.js'

function perform(job: Job): Promise<unknown> {
  switch (job.type) {
    case 'create':
      return createKey(job.password)
    case 'open':
      return openKey(job.envelope, job.password)
    case 'reencrypt':
      return reencryptKey(job.envelope, job.oldPassword, job.newPassword)
  }
}

addEventListener('message', ({ data }: MessageEvent<JobRequest>) => {
  const respond = (response: JobResponse): void => postMessage(response)
  perform(data).then(
    (result) => respond({ id: data.id, result }),
    (error: unknown) => respond({ id: data.id, error: serializeError(error) }),
  )
})
