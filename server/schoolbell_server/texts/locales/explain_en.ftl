# English. What a clerk reads aloud: why somebody was told of a change, or was not.
# A gate's message is for a gate that passed; `.idle` for one that had nothing to judge.
# A reason's `.detailed` is used where the facts that it names are known.

summary-told = { $devices ->
    [0] May be told, but no device takes part.
    [one] Told on one device.
   *[other] Told on { $devices } devices.
}
summary-refused = Not told. { $why }
failed = This rule was not met.

gate-district-enabled = Push notifications are switched on for the district.
    .idle = Whether push notifications are switched on was not asked.
gate-kind-licensed = The district is licensed for this kind of change.
    .idle = The district's licence was not asked.
gate-timely = The change arrived in time to be told.
    .idle = The age of the change was not asked.
gate-active-year = The calendar belongs to the active school year.
    .idle = The change names no calendar, so there is no school year to check.
gate-calendar-enabled = The calendar and its term are enabled.
    .idle = The change names no calendar, so there is none to be enabled.
gate-tool-shown = The calendar's display options show this kind in the app.
    .idle = There are no display options to check.
gate-enrolled = The student is enrolled in the calendar, and the enrollment is visible.
    .idle = The student's enrollment was not asked.
gate-related = This person may see the student.
    .idle = Nobody's right to see the student was asked.
gate-account = The account is enabled and has a device.
    .idle = The account was not asked.
gate-device-usable = The device has the right app on a supported platform.
    .idle = The device was not asked.
gate-stays-logged-in = The user chose Stay Logged In on the device.
    .idle = Whether the user stays logged in was not asked.
gate-subscribed = This kind is subscribed to for the student, and the device is not muted.
    .idle = The subscription was not asked.
gate-condition = The change meets the subscription's condition.
    .idle = There is no subscription whose condition could be met.
gate-value-changed = The change brings a new value, or comes from somebody new.
    .idle = Whether the value changed was not asked.
gate-not-already-told = The value was not told before.
    .idle = Whether the value was already told was not asked.
gate-newest = Nothing newer is known.
    .idle = Whether something newer is known was not asked.

reason-district-disabled = Push notifications are switched off for the district.
reason-kind-not-licensed = The district is not licensed for this kind of change.
reason-historical = The change was published as history, which is recorded and not told.
reason-too-late = The change arrived too late to be told.
reason-no-active-year = The district has no active school year.
reason-calendar-not-in-active-year = The calendar does not belong to the active school year.
    .detailed = The calendar belongs to the school year that ends in { $school_year }, but the active one ends in { $active_school_year }.
reason-calendar-disabled = The calendar is not enabled in the display options.
reason-term-disabled = The term is not enabled in the display options.
reason-no-term = No term of the calendar covers the date of the change.
reason-tool-hidden = The display options do not show this kind in the app.
reason-not-enrolled = The student is not enrolled in the calendar.
    .detailed = The student is not enrolled in the calendar on { $judged_date }.
reason-enrollment-ended = The student's enrollment in the calendar has ended.
    .detailed = The student's enrollment in the calendar ended before { $judged_date }.
reason-enrollment-not-visible = The student's enrollment is hidden from the portal.
reason-student-inactive = The student is no longer in the roster.
reason-no-relationship = This person is not related to the student.
reason-portal-off = The relationship to the student does not have the portal flag.
reason-barred = This person is barred from the student's records.
    .detailed = { $bar_origin ->
        [district] This person is barred from the student's records by the district.
       *[source] This person is barred from the student's records by a source of the roster.
    }
reason-relationship-ended = The relationship to the student has ended.
reason-relationship-not-started = The relationship to the student has not begun yet.
reason-adult-student = The student is 18 and has not agreed that this person is told.
reason-account-disabled = The account is disabled.
reason-no-device = No device was ever registered for the account.
reason-wrong-app = The app on the device is not the one for this person: students and parents have their own.
reason-app-unknown = The app on the device is not one of the district's.
reason-platform-too-old = The device's system is older than the district supports.
    .detailed = The device's system is version { $os_version }, but the district supports { $minimum_os_version } and later.
reason-app-too-old = The app on the device is older than the district supports.
    .detailed = The app on the device is version { $app_version }, but the district supports { $minimum_app_version } and later.
reason-device-retired = The device is no longer registered.
reason-not-staying-logged-in = The user did not choose Stay Logged In on the device.
reason-not-subscribed = Neither the person nor the device is subscribed to this kind for the student.
reason-device-muted = The user muted the device.
reason-action-not-chosen = The user did not choose to be told of this action on assignments.
reason-status-not-chosen = The user did not choose to be told of this attendance status.
reason-excuse-not-chosen = The user did not choose to be told of marks with this excuse.
reason-not-below-limit = The value is not below the limit that the user chose.
    .detailed = The value, { $number }, is not below { $below }, the limit that the user chose.
reason-not-crossing = The value was already below the limit that the user chose.
    .detailed = The value was already below the user's limit of { $below }: it was { $known_number }.
reason-no-number = The user chose a limit, but the change has no number to compare with it.
reason-unchanged = The value is the same as before.
reason-already-told = The same value was already known from another source or section.
reason-older-than-known = Something newer is already known.

# Of a change that might be published.
would-be-told = { $devices ->
    [0] Might be told, but no device takes part.
    [one] Would be told on one device.
   *[other] Would be told on { $devices } devices.
}
would-be-refused = Would not be told. { $why }
would-be-refused-there = { $devices ->
    [one] Would not be told on one device. { $why }
   *[other] Would not be told on { $devices } devices. { $why }
}
summary-meant = { $devices ->
    [one] Was to be told on one device.
   *[other] Was to be told on { $devices } devices.
}
summary-refused-there = { $devices ->
    [one] Not told on one device. { $why }
   *[other] Not told on { $devices } devices. { $why }
}

# What was recorded then and what holds now are always called by these names.
then = Then: { $said }
now = Now: { $said }
still-open = Nothing in today's roster and settings would stop it.
still-open-there = { $devices ->
    [one] Nothing in today's roster and settings would stop it on one device.
   *[other] Nothing in today's roster and settings would stop it on { $devices } devices.
}
undecided = Nothing was decided about this person.


whole-told = Accepted on { $time }. { $people ->
    [0] Nobody was told.
    [one] One person was told.
   *[other] { $people } people were told.
}
whole-unreached = { $people ->
    [one] One person was to be told, but no provider is known to have accepted it.
   *[other] { $people } people were to be told, but no provider is known to have accepted it.
}
whole-refused = Accepted on { $time }. Nobody was told. { $why }
whole-would-be-told = If it were published now, { $people ->
    [0] nobody would be told.
    [one] one person would be told.
   *[other] { $people } people would be told.
}
whole-would-be-refused = If it were published now, nobody would be told. { $why }

delivery-gone = What became of it is no longer kept.
delivery-pending = It waits to be sent.
delivery-held = It is held back for a while before it is sent.
delivery-sending = It is being sent.
delivery-accepted = The provider accepted it.
delivery-displayed = The phone showed it.
delivery-opened = It was opened on the phone.
delivery-rejected = The provider refused it for good.
delivery-failed = Every attempt to send it failed.
delivery-uncertain = The provider's answer was lost: the phone may have shown it.
delivery-expired = Its time was over before it could be sent.
delivery-cancelled = It was cancelled before it was sent.
    .gate = It was stopped before it was sent. { $why }
    .superseded = A newer value took its place before it was sent.
    .person = It was cancelled by a person before it was sent.
    .user-changed = Somebody else signed in on the device before it was sent.
