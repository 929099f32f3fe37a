package example.schoolbell;

import com.google.protobuf.Timestamp;
import example.schoolbell.v1.AssignmentChange;
import example.schoolbell.v1.AttendanceChange;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.ChangeKey;
import example.schoolbell.v1.GradeChange;
import example.schoolbell.v1.LunchBalanceChange;
import example.schoolbell.v1.ResponsiveScheduleChange;
import java.time.Instant;

/**
 * What every change has, whatever its kind; its methods build the change of each kind:
 *
 * <pre>{@code
 * Change change = Event.of("sis", "4711", "1001")
 *     .withCalendar("high:2027")
 *     .withOccurTime(Instant.now())
 *     .assignment(AssignmentChange.newBuilder()
 *         .setAction(AssignmentAction.ASSIGNMENT_ACTION_SCORED)
 *         .setAssignmentId("a1").setSectionId("s1").setScorePercent(71.5)
 *         .setDueDate(Values.date(due))
 *         .build());
 * }</pre>
 *
 * @param source the publishing system
 * @param changeId its id of the change: the same source and id with the same content is a duplicate, so
 *     that a change may be published again after a break
 * @param studentId whom it is about
 * @param calendarId the calendar it belongs to; only a lunch balance may do without one, with ""
 * @param occurTime when it happened
 * @param historical whether it updates what is known, and nobody is told
 */
public record Event(
        String source,
        String changeId,
        String studentId,
        String calendarId,
        Instant occurTime,
        boolean historical) {

    /**
     * Makes an event that happened now and belongs to no calendar.
     *
     * @param source the publishing system
     * @param changeId its id of the change
     * @param studentId whom it is about
     * @return the event
     */
    public static Event of(String source, String changeId, String studentId) {
        return new Event(source, changeId, studentId, "", Instant.now(), false);
    }

    /**
     * Returns it with another calendar.
     *
     * @param calendarId the calendar it belongs to
     * @return the event
     */
    public Event withCalendar(String calendarId) {
        return new Event(source, changeId, studentId, calendarId, occurTime, historical);
    }

    /**
     * Returns it with another time.
     *
     * @param occurTime when it happened
     * @return the event
     */
    public Event withOccurTime(Instant occurTime) {
        return new Event(source, changeId, studentId, calendarId, occurTime, historical);
    }

    /**
     * Returns it as history, such as a migration.
     *
     * @return the event
     */
    public Event asHistory() {
        return new Event(source, changeId, studentId, calendarId, occurTime, true);
    }

    /**
     * Builds a change of the kind assignment.
     *
     * @param payload what changed
     * @return the change
     */
    public Change assignment(AssignmentChange payload) {
        return change().setAssignment(payload).build();
    }

    /**
     * Builds a change of the kind grade.
     *
     * @param payload what changed
     * @return the change
     */
    public Change grade(GradeChange payload) {
        return change().setGrade(payload).build();
    }

    /**
     * Builds a change of the kind attendance.
     *
     * @param payload what changed
     * @return the change
     */
    public Change attendance(AttendanceChange payload) {
        return change().setAttendance(payload).build();
    }

    /**
     * Builds a change of the kind lunch balance; see {@link Values#money(String, String)}.
     *
     * @param payload what changed
     * @return the change
     */
    public Change lunchBalance(LunchBalanceChange payload) {
        return change().setLunchBalance(payload).build();
    }

    /**
     * Builds a change of the kind responsive schedule.
     *
     * @param payload what changed
     * @return the change
     */
    public Change responsiveSchedule(ResponsiveScheduleChange payload) {
        return change().setResponsiveSchedule(payload).build();
    }

    private Change.Builder change() {
        return Change.newBuilder()
            .setKey(ChangeKey.newBuilder().setSource(source).setChangeId(changeId))
            .setStudentId(studentId)
            .setCalendarId(calendarId)
            .setOccurTime(
                Timestamp.newBuilder().setSeconds(occurTime.getEpochSecond()).setNanos(occurTime.getNano()))
            .setHistorical(historical);
    }
}
