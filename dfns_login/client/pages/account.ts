// `/account/`: sign-in methods, recovery kit, sessions and activity. Changes are signed.

import { Activity } from './account_activity.js'
import { Credentials } from './account_credentials.js'
import { RecoveryKits } from './account_kit.js'
import { AccountPage } from './account_page.js'
import { PasswordChange } from './account_password.js'
import { Sessions } from './account_sessions.js'
import { find } from './dom.js'
import { enablePasswordToggles } from './fields.js'
import { enablePage, takeUsernameFromFragment } from './page_data.js'

const account = new AccountPage()
const passwordChange = new PasswordChange(account)
const credentials = new Credentials(account, (credential) => void passwordChange.open(credential), () => kits.show())
const kits = new RecoveryKits(account, credentials)
new Sessions(account)
new Activity(account)

find('[data-sign-out]', HTMLButtonElement).addEventListener('click', () => void account.signOut())
// The browser may keep the page in its back/forward cache: lock the key, and reload the page when it is shown again.
window.addEventListener('pagehide', () => account.confirmation.lock())
window.addEventListener('pageshow', ({ persisted }) => {
  if (persisted) location.reload()
})
enablePasswordToggles()
takeUsernameFromFragment() // kept by the browser when the sign-in page redirects somebody who is signed in
enablePage()
void account.reload()
