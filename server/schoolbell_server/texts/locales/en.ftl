# English. Every message has the forms generic (names nobody and no value), student and parent.

test =
    .generic-title = Schoolbell
    .generic-body = This is a test. Notifications arrive on this phone.

assignment-assigned =
    .generic-title = New assignment
    .generic-body = A new assignment was given.
    .student-title = New assignment in { $course }
    .student-body = { $title }
    .parent-title = { $student }: new assignment in { $course }
    .parent-body = { $title }
assignment-scored =
    .generic-title = New score
    .generic-body = An assignment was scored.
    .student-title = New score in { $course }
    .student-body = { $title }: { NUMBER($percent, maximumFractionDigits: 2) }%
    .parent-title = { $student }: new score in { $course }
    .parent-body = { $title }: { NUMBER($percent, maximumFractionDigits: 2) }%
assignment-scored-points =
    .generic-title = New score
    .generic-body = An assignment was scored.
    .student-title = New score in { $course }
    .student-body = { $title }: { NUMBER($points, maximumFractionDigits: 2) } points
    .parent-title = { $student }: new score in { $course }
    .parent-body = { $title }: { NUMBER($points, maximumFractionDigits: 2) } points
assignment-missing =
    .generic-title = Missing assignment
    .generic-body = An assignment was not handed in.
    .student-title = Missing assignment in { $course }
    .student-body = { $title } was not handed in.
    .parent-title = { $student }: missing assignment in { $course }
    .parent-body = { $title } was not handed in.
assignment-due-date-moved =
    .generic-title = Due date moved
    .generic-body = An assignment is due on another date.
    .student-title = Due date moved in { $course }
    .student-body = { $title } is now due { $date }.
    .parent-title = { $student }: due date moved in { $course }
    .parent-body = { $title } is now due { $date }.
assignment-withdrawn =
    .generic-title = Assignment withdrawn
    .generic-body = An assignment was withdrawn.
    .student-title = Assignment withdrawn in { $course }
    .student-body = { $title }
    .parent-title = { $student }: assignment withdrawn in { $course }
    .parent-body = { $title }

grade-posted =
    .generic-title = New grade posted
    .generic-body = A grade was posted.
    .student-title = New grade in { $course }
    .student-body = { $task }: { NUMBER($percent, maximumFractionDigits: 2) }%
    .parent-title = { $student }: new grade in { $course }
    .parent-body = { $task }: { NUMBER($percent, maximumFractionDigits: 2) }%
grade-posted-mark =
    .generic-title = New grade posted
    .generic-body = A grade was posted.
    .student-title = New grade in { $course }
    .student-body = { $task }: { $mark }
    .parent-title = { $student }: new grade in { $course }
    .parent-body = { $task }: { $mark }
grade-removed =
    .generic-title = Grade removed
    .generic-body = A grade was removed.
    .student-title = Grade removed in { $course }
    .student-body = { $task }
    .parent-title = { $student }: grade removed in { $course }
    .parent-body = { $task }

attendance-absent =
    .generic-title = Attendance
    .generic-body = An absence was recorded.
    .student-title = Marked absent
    .student-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } was marked absent
    .parent-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
attendance-tardy =
    .generic-title = Attendance
    .generic-body = A late arrival was recorded.
    .student-title = Marked tardy
    .student-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } was marked tardy
    .parent-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
attendance-early-leave =
    .generic-title = Attendance
    .generic-body = An early leave was recorded.
    .student-title = Marked as having left early
    .student-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } was marked as having left early
    .parent-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
attendance-present =
    .generic-title = Attendance
    .generic-body = Attendance was recorded.
    .student-title = Marked present
    .student-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student } was marked present
    .parent-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
attendance-cleared =
    .generic-title = Attendance
    .generic-body = An attendance mark was taken back.
    .student-title = Attendance mark taken back
    .student-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
    .parent-title = { $student }: attendance mark taken back
    .parent-body = { $when ->
        [period] Period { $period }, { $date }
       *[day] { $date }
    }
attendance-corrected =
    .generic-title = Attendance corrected
    .generic-body = An attendance mark was corrected.
    .student-title = Attendance corrected
    .student-body = { $when ->
        [period] Period { $period }, { $date }: you are no longer marked as missing.
       *[day] { $date }: you are no longer marked as missing.
    }
    .parent-title = { $student }: attendance corrected
    .parent-body = { $when ->
        [period] Period { $period }, { $date }: no longer marked as missing.
       *[day] { $date }: no longer marked as missing.
    }

lunch-balance =
    .generic-title = Lunch account
    .generic-body = The balance of a lunch account changed.
    .student-title = Lunch account
    .student-body = Your balance is { $balance }.
    .parent-title = { $student }: lunch account
    .parent-body = The balance is { $balance }.

schedule-added =
    .generic-title = Schedule changed
    .generic-body = A session was added.
    .student-title = Session added
    .student-body = { $known-place ->
        [yes] { $offering }, { $place }: { $date }, period { $period }
       *[no] { $offering }: { $date }, period { $period }
    }
    .parent-title = { $student }: session added
    .parent-body = { $known-place ->
        [yes] { $offering }, { $place }: { $date }, period { $period }
       *[no] { $offering }: { $date }, period { $period }
    }
schedule-moved =
    .generic-title = Schedule changed
    .generic-body = A session was moved.
    .student-title = Session moved
    .student-body = { $known-place ->
        [yes] { $offering }, { $place }: now { $date }, period { $period }
       *[no] { $offering }: now { $date }, period { $period }
    }
    .parent-title = { $student }: session moved
    .parent-body = { $known-place ->
        [yes] { $offering }, { $place }: now { $date }, period { $period }
       *[no] { $offering }: now { $date }, period { $period }
    }
schedule-removed =
    .generic-title = Schedule changed
    .generic-body = A session was removed.
    .student-title = Session removed
    .student-body = { $offering }: { $date }, period { $period }
    .parent-title = { $student }: session removed
    .parent-body = { $offering }: { $date }, period { $period }
