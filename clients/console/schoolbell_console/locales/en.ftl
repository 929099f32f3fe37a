# English. What the pages of the console say.

skip = Skip to the content
district = District
districts = Districts
language = Language
theme = Appearance
theme-auto = As the device
theme-light = Light
theme-dark = Dark
look = Settings
menu = Menu
sign-out = Sign out
unknown = Not known
to-start = To the start page
request-id = Quote this when you ask for help:
no-right = You have no right to this page
no-right-text = Ask an administrator of your district with the right to keys and rights, who can give it to you.

group-service = The service
group-families = Families
group-school = Schools
group-district = District
place-push = Push Notifications
place-live = Live
place-why = Why?
place-person = Devices of a person
place-stop = Stop a mistake
place-undelivered = Undelivered
place-display = Display options
place-imports = Roster imports
place-access = Keys and rights
place-audit = Audit log
place-data = A person’s data

sign-in = Sign in
sign-in-title = Sign in to the console
sign-in-lead = For administrators, monitors and operators of Schoolbell.
sign-in-ended = Your session has ended. Please sign in again; you come back to the page where you were.
sign-in-left = You are signed out.
sign-in-no-key = Enter your API key.
sign-in-key-refused = The service does not know this key. Check that you copied it whole.
sign-in-key-ended = This key has expired or was revoked. Ask who gave it to you for another.
sign-in-link-used = This link was used already or is too old. Make another, or sign in with a key.
api-key = API key
api-key-help = It begins with sb_ and belongs to you alone. The console keeps it sealed in a cookie and nowhere else.

trouble-page-away = The service does not answer
trouble-page-away-text = Schoolbell cannot be reached at the moment. This page looks again by itself and comes back as soon as the service does. Notifications that were accepted are not lost.
trouble-page-slow = The service took too long
trouble-page-slow-text = It is not known whether the last step was done. Look at the page again before you repeat it.
trouble-page-busy = Too many requests at once
trouble-page-busy-text = Wait a few seconds and try again.
trouble-page-forbidden = You have no right to do this
trouble-page-forbidden-text = Your rights may have been changed while the page was open, or the form came from another site. Nothing was done.
trouble-page-not-found = There is no such page
trouble-page-not-found-text = What you are looking for is not there, or not in your district.
trouble-page-bad-request = This could not be understood
trouble-page-bad-request-text = The service refused what was entered. Nothing was done.
trouble-page-changed = Somebody else changed it meanwhile
trouble-page-changed-text = Look at the page again before you repeat your change. Nothing was done.
trouble-page-fault = Something went wrong
trouble-page-fault-text = This is a fault of the console or of the service, not yours. Try again; if it stays, tell who runs Schoolbell.
trouble-page-no-district = You have no district yet
trouble-page-no-district-text = Your key is good, but no district is open to it. Ask who gave it to you.
trouble-page-last-access = Nobody could hand out rights any more
trouble-page-last-access-text = This would take the last right to keys and rights in the district. First give it to another person.
trouble-page-device-retired = This phone receives nothing any more
trouble-page-device-retired-text = Its app has to be opened again by its owner first.

push-lead = Whether families are told what changes at school, on their phones, for all schools of the district.
settings = Settings
field-enabled = Enable Push Notifications
field-enabled-help = For all schools of the district. Switched off, what has not left yet is stopped, and what happens meanwhile is not told later.
on = on
off = off
save = Save
saved-on = Saved. Push notifications are on.
saved-off = Saved. Push notifications are off.
not-saved = Nothing was saved.
not-saved-wrong = Nothing was saved. Correct the fields that are marked.
read-only = You may see these settings and not change them.
more = More settings
field-detail = How much a notification may say
detail-level-generic = Only that something changed
detail-level-detailed = Names and values
detail-help-1 = “New grade posted”. Nothing of the student is on the lock screen.
detail-help-2 = “Ann: 68% in Algebra II”. Each person may choose less for their own phone.
kinds = What is told
kind = Kind
hours = hours
minutes = minutes
field-live = Worth telling for
field-hold = Wait before sending
kinds-help = An empty field keeps the rule of the kind: attendance and schedule until the end of the school day, lunch and assignments for 24 hours, grades for 72 hours; nothing waits.
not-licensed = not licensed
field-adult = Guardians of students who are 18 or older
adult-student-rule-follow-portal-flag = Are told as the portal flag says
adult-student-rule-stop-at-18 = Are told only if the student agreed
field-grace = Days after an enrollment ends
grace-help = Grades and assignments are still told so long; empty is 14.
field-keep-changes = Days to keep changes
field-keep-deliveries = Days to keep deliveries
keep-help = Older records are removed. Empty is 400 days for changes and 90 days for deliveries.
by-itself = by its own rule
unit-live = { $count ->
    [one] 1 hour
   *[other] { $count } hours
}
unit-hold = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
}
unit-keep = { $count ->
    [one] 1 day
   *[other] { $count } days
}
unit-grace = { $count ->
    [one] 1 day
   *[other] { $count } days
}
wrong-number = A number from { $least } to { $most }, or nothing.
changed-by = Last changed by
never-changed = Nobody has changed these settings yet.
who-service = the service itself
who-nobody = nobody
conflict-title = Somebody saved before you
conflict-who = { $who } changed these settings on { $when }, while you had the page open. Nothing of yours is saved yet.
setting = Setting
was = You saw
theirs = Now
yours = You want
not-touched = as it is now
conflict-decide = Your values are still in the form below. Save them, or keep what is there now.
save-mine = Save mine
keep-theirs = Keep theirs

state-title = Service
service-status = Service Status
service-connectivity = Service Connectivity
service-status-active = Active
service-status-inactive = Inactive
service-status-active-help = Changes are being told.
service-status-off-help = Push notifications are switched off.
service-status-trouble-help = Push notifications are on, but the service cannot work; see below.
connectivity-unspecified = Not known yet
connectivity-connected = Connected
connectivity-degraded = Connected, with problems
connectivity-disconnected = Disconnected
connectivity-help-good = Apple and Google can be reached.
connectivity-help-warn = Some phones cannot be reached at present. What is for them waits and is not lost.
connectivity-help-bad = No phone can be reached. What is to be told waits and is not lost.
connectivity-help-idle = The connections are being tried.
links = Connections
link = Connection
connection = State
since = Since
hub = Hub
app = App
no-links = No app is connected for this district yet.
in-its-words = In its own words:
circuit-open = Notifications wait until it works again; no attempt is lost.
environment-sandbox = for development only
provider-apns = Apple (iPhone, iPad)
provider-fcm = Google (Android)

link-trouble-name-resolution = Its address cannot be found.
link-trouble-name-resolution-do = Ask your network administrator whether the server may look up names (DNS).
link-trouble-refused = The connection is refused.
link-trouble-refused-do = Ask your network administrator to let the server out to it through the firewall.
link-trouble-tls = The connection is not trusted.
link-trouble-tls-do = Something between the server and the provider may be opening encrypted traffic. Ask your network administrator to exempt it.
link-trouble-credentials = It refuses the app’s credentials.
link-trouble-credentials-do = Ask who runs Schoolbell to renew the app’s key.
link-trouble-throttled = It asks for fewer notifications.
link-trouble-throttled-do = Nothing is to be done: they are sent more slowly.
link-trouble-flow-controlled = It takes nothing at the moment.
link-trouble-flow-controlled-do = Nothing is to be done: they wait.
link-trouble-timeout = It does not answer in time.
link-trouble-timeout-do = If this lasts longer than a quarter of an hour, ask your network administrator.
link-trouble-connection-lost = The connection was lost.
link-trouble-connection-lost-do = It is made again by itself.
link-trouble-provider-error = It has a fault of its own.
link-trouble-provider-error-do = Look at the provider’s status page. What waits is sent afterwards.

warning-1 = Push communication is not encrypted.
warning-1-do = This is not for production: anybody on the way can read what families are told. Ask a system administrator to turn SSL on again.
warning-2 = The server replays recorded changes.
warning-2-do = Times are those of the recording, and nothing counts as too late.
warning-3 = A provider refuses the credentials of an app.
warning-3-do = What is for its phones waits. Ask who runs Schoolbell to renew the app’s key.
warning-4 = A provider cannot be reached.
warning-4-do = What is for its phones waits. See the connection below.
warning-5 = Very many phones became unreachable at once.
warning-5-do = They are kept until somebody has looked. Ask who runs Schoolbell: an app may have been published with other credentials.
warning-6 = The storage takes nothing.
warning-6-do = Nothing can be accepted. Ask who runs Schoolbell.
warning-7 = Nothing is being sent.
warning-7-do = No part of the server that sends is alive. Ask who runs Schoolbell.
warning-8 = Very much is waiting to be sent.
warning-8-do = Watch whether it grows less on the page Live.
warning-9 = No guardian may see a student in the portal.
warning-9-do = Only students can be told. Check that the roster brings the portal flags.
warning-10 = The district has no active school year.
warning-10-do = Nobody is told until one is set in the student information system.
warning-11 = A certificate or key is about to expire.
warning-11-do = Ask who runs Schoolbell to renew it.
warning-12 = Notifications go to a test system and reach no phone.
warning-12-do = This is right for trying things out, and wrong in production.
warning-13 = Changes from the student information system have to wait.
warning-13-do = Ask who runs Schoolbell.
warning-14 = A file with credentials cannot be used.
warning-14-do = What was loaded before goes on being used. Ask who runs Schoolbell.
warning-15 = Secrets can be read by others on the server.
warning-15-do = Ask who runs Schoolbell to close the files.
warning-16 = Some outcomes cannot be told for certain.
warning-16-do = Notifications that never left may count as perhaps sent. Ask who runs Schoolbell.

kind-assignment = Assignment
kind-grade = Grade
kind-attendance = Attendance
kind-lunch-balance = Lunch balance
kind-responsive-schedule = Responsive schedule
