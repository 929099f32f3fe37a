# English. Every message has the forms generic (names nobody and no value), student and parent.

# The student, for a parent; the roster may know no name.
child = { $known ->
    [named] { $student }
   *[unnamed] Your student
}
score = { $points ->
    [one] { $points } point
   *[other] { $points } points
}
# Where and when a mark was made.
when = { $span ->
    [course-period] { $course }, period { $period }, { $date }
    [course] { $course }, { $date }
    [period] Period { $period }, { $date }
   *[day] { $date }
}
# A session of a flexible period, and when it is.
session = { $naming ->
    [place] { $offering } ({ $place })
    [offering] { $offering }
   *[unnamed] Session
}
slot = { $date }, period { $period }

# The course, which the publisher may have left out.
in-course = { $has_course ->
    [yes] { " " }in { $course }
   *[no] { "" }
}
# The assignment, which may have no title.
work = { $has_title ->
    [yes] { $title }
   *[no] An assignment
}
not-handed-in = { $has_title ->
    [yes] { $title } was not handed in.
   *[no] An assignment was not handed in.
}

test =
    .generic-title = Schoolbell
    .generic-body = This is a test. Notifications arrive on this phone.

assignment-assigned =
    .generic-title = New assignment
    .generic-body = A new assignment was given.
    .student-title = New assignment{ in-course }
    .student-body = { work }
    .parent-title = { child }: new assignment{ in-course }
    .parent-body = { work }
assignment-scored =
    .generic-title = New score
    .generic-body = An assignment was scored.
    .student-title = New score{ in-course }
    .student-body = { work }: { $percent }
    .parent-title = { child }: new score{ in-course }
    .parent-body = { work }: { $percent }
assignment-scored-points =
    .generic-title = New score
    .generic-body = An assignment was scored.
    .student-title = New score{ in-course }
    .student-body = { work }: { score }
    .parent-title = { child }: new score{ in-course }
    .parent-body = { work }: { score }
assignment-scored-mark =
    .generic-title = New score
    .generic-body = An assignment was scored.
    .student-title = New score{ in-course }
    .student-body = { work }: { $mark }
    .parent-title = { child }: new score{ in-course }
    .parent-body = { work }: { $mark }
assignment-missing =
    .generic-title = Missing assignment
    .generic-body = An assignment was not handed in.
    .student-title = Missing assignment{ in-course }
    .student-body = { not-handed-in }
    .parent-title = { child }: missing assignment{ in-course }
    .parent-body = { not-handed-in }
assignment-due-date-moved =
    .generic-title = Due date moved
    .generic-body = An assignment is due on another date.
    .student-title = Due date moved{ in-course }
    .student-body = { work } is now due { $date }.
    .parent-title = { child }: due date moved{ in-course }
    .parent-body = { work } is now due { $date }.
assignment-withdrawn =
    .generic-title = Assignment withdrawn
    .generic-body = An assignment was withdrawn.
    .student-title = Assignment withdrawn{ in-course }
    .student-body = { work }
    .parent-title = { child }: assignment withdrawn{ in-course }
    .parent-body = { work }
assignment-cleared =
    .generic-title = Score removed
    .generic-body = The score or missing flag of an assignment was removed.
    .student-title = Score removed{ in-course }
    .student-body = { work } has no score and is not marked missing.
    .parent-title = { child }: score removed{ in-course }
    .parent-body = { work } has no score and is not marked missing.

grade-posted =
    .generic-title = New grade posted
    .generic-body = A grade was posted.
    .student-title = New grade{ in-course }
    .student-body = { $grading_task }: { $percent }
    .parent-title = { child }: new grade{ in-course }
    .parent-body = { $grading_task }: { $percent }
grade-posted-mark =
    .generic-title = New grade posted
    .generic-body = A grade was posted.
    .student-title = New grade{ in-course }
    .student-body = { $grading_task }: { $mark }
    .parent-title = { child }: new grade{ in-course }
    .parent-body = { $grading_task }: { $mark }
grade-removed =
    .generic-title = Grade removed
    .generic-body = A grade was removed.
    .student-title = Grade removed{ in-course }
    .student-body = { $grading_task }
    .parent-title = { child }: grade removed{ in-course }
    .parent-body = { $grading_task }

attendance-absent =
    .generic-title = Attendance
    .generic-body = An absence was recorded.
    .student-title = Marked absent
    .student-body = { when }
    .parent-title = { child } was marked absent
    .parent-body = { when }
attendance-tardy =
    .generic-title = Attendance
    .generic-body = A late arrival was recorded.
    .student-title = Marked tardy
    .student-body = { when }
    .parent-title = { child } was marked tardy
    .parent-body = { when }
attendance-early-leave =
    .generic-title = Attendance
    .generic-body = An early leave was recorded.
    .student-title = Marked as having left early
    .student-body = { when }
    .parent-title = { child } was marked as having left early
    .parent-body = { when }
attendance-present =
    .generic-title = Attendance
    .generic-body = Attendance was recorded.
    .student-title = Marked present
    .student-body = { when }
    .parent-title = { child } was marked present
    .parent-body = { when }
attendance-cleared =
    .generic-title = Attendance
    .generic-body = An attendance mark was taken back.
    .student-title = Attendance mark taken back
    .student-body = { when }
    .parent-title = { child }: attendance mark taken back
    .parent-body = { when }
attendance-corrected =
    .generic-title = Attendance corrected
    .generic-body = An attendance mark was corrected.
    .student-title = Attendance corrected
    .student-body = { when }: the earlier mark no longer stands.
    .parent-title = { child }: attendance corrected
    .parent-body = { when }: the earlier mark no longer stands.

lunch-balance =
    .generic-title = Lunch account
    .generic-body = The balance of a lunch account changed.
    .student-title = Lunch account
    .student-body = Your balance is { $balance }.
    .parent-title = { child }: lunch account
    .parent-body = The balance is { $balance }.

schedule-added =
    .generic-title = Schedule changed
    .generic-body = A session was added.
    .student-title = Session added
    .student-body = { session }: { slot }
    .parent-title = { child }: session added
    .parent-body = { session }: { slot }
schedule-moved =
    .generic-title = Schedule changed
    .generic-body = A session was moved.
    .student-title = Session moved
    .student-body = { session }: now { slot }
    .parent-title = { child }: session moved
    .parent-body = { session }: now { slot }
schedule-removed =
    .generic-title = Schedule changed
    .generic-body = A session was removed.
    .student-title = Session removed
    .student-body = { session }: { slot }
    .parent-title = { child }: session removed
    .parent-body = { session }: { slot }
