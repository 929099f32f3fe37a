package example.schoolbell;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.type.Date;
import com.google.type.Money;
import example.schoolbell.v1.AssignmentChange;
import example.schoolbell.v1.AttendanceChange;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.Change.PayloadCase;
import example.schoolbell.v1.GradeChange;
import example.schoolbell.v1.LunchBalanceChange;
import example.schoolbell.v1.ResponsiveScheduleChange;
import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EventTest {
    @ParameterizedTest
    @CsvSource({"0, 0, 0", "-4.35, -4, -350000000", "-0.05, 0, -50000000", "+12, 12, 0", "1200, 1200, 0",
        "0.000000001, 0, 1", "999999999999999999.99, 999999999999999999, 990000000"})
    void moneyIsExact(String amount, long units, int nanos) {
        Money expected = Money.newBuilder().setCurrencyCode("USD").setUnits(units).setNanos(nanos).build();
        assertEquals(expected, Values.money(amount, "USD"));
        assertEquals(expected, Values.money(new BigDecimal(amount), "USD"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "4,35", "1e3", " 1", "1.", ".5", "1.0000000001", "$1", "--1", "1\n"})
    void otherTextIsNoMoney(String amount) {
        assertThrows(IllegalArgumentException.class, () -> Values.money(amount, ""));
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e18", "0.0000000001", "1e999999999", "1e-999999999"})
    void moneyOfTooManyDigitsIsRefused(BigDecimal amount) {
        assertThrows(IllegalArgumentException.class, () -> Values.money(amount, ""));
    }

    @Test
    void eachKindIsBuilt() {
        Event event = Event.of("sis", "1", "s").withCalendar("c").withOccurTime(Instant.ofEpochSecond(5, 7)).asHistory();
        Map<PayloadCase, Change> changes = Map.of(
            PayloadCase.ASSIGNMENT, event.assignment(AssignmentChange.getDefaultInstance()),
            PayloadCase.GRADE, event.grade(GradeChange.getDefaultInstance()),
            PayloadCase.ATTENDANCE, event.attendance(AttendanceChange.getDefaultInstance()),
            PayloadCase.LUNCH_BALANCE, event.lunchBalance(LunchBalanceChange.getDefaultInstance()),
            PayloadCase.RESPONSIVE_SCHEDULE,
            event.responsiveSchedule(ResponsiveScheduleChange.getDefaultInstance()));
        changes.forEach((kind, change) -> {
            assertEquals(kind, change.getPayloadCase());
            assertEquals("sis 1 s c 5 7 true", String.join(" ", change.getKey().getSource(),
                change.getKey().getChangeId(), change.getStudentId(), change.getCalendarId(),
                change.getOccurTime().getSeconds() + " " + change.getOccurTime().getNanos(),
                String.valueOf(change.getHistorical())));
        });
    }

    @Test
    void aDateIsADay() {
        Date expected = Date.newBuilder().setYear(2026).setMonth(11).setDay(24).build();
        assertEquals(expected, Values.date(LocalDate.of(2026, 11, 24)));
    }
}
