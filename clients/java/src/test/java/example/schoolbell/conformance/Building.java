package example.schoolbell.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import com.google.type.Date;
import com.google.type.Money;
import example.schoolbell.Event;
import example.schoolbell.Values;
import example.schoolbell.v1.AssignmentChange;
import example.schoolbell.v1.AttendanceChange;
import example.schoolbell.v1.Change;
import example.schoolbell.v1.GradeChange;
import example.schoolbell.v1.LunchBalanceChange;
import example.schoolbell.v1.ResponsiveScheduleChange;
import java.time.Instant;
import java.time.LocalDate;

/** Makes changes with the client's builder of their kind. */
final class Building {
    private Building() {}

    static JsonObject build(JsonObject asked) {
        Event event = Event.of(text(asked, "source"), text(asked, "change_id"), text(asked, "student_id"))
            .withCalendar(text(asked, "calendar_id"))
            .withOccurTime(Instant.parse(text(asked, "occur_time")));
        JsonObject found = new JsonObject();
        try {
            found.add("change", Messages.printed(change(event, text(asked, "kind"), asked.getAsJsonObject("fields"))));
        } catch (IllegalArgumentException error) {
            throw new Runner.Refused(error);
        }
        return found;
    }

    private static Change change(Event event, String kind, JsonObject fields) {
        switch (kind) {
            case "assignment":
                return event.assignment(filled(AssignmentChange.newBuilder(), fields).build());
            case "grade":
                return event.grade(filled(GradeChange.newBuilder(), fields).build());
            case "attendance":
                return event.attendance(filled(AttendanceChange.newBuilder(), fields).build());
            case "lunch_balance":
                return event.lunchBalance(filled(LunchBalanceChange.newBuilder(), fields).build());
            case "responsive_schedule":
                return event.responsiveSchedule(filled(ResponsiveScheduleChange.newBuilder(), fields).build());
            default:
                throw new IllegalStateException("no such kind: " + kind);
        }
    }

    /** Sets the fields of a payload, dates and money by the client's helpers. */
    private static <B extends Message.Builder> B filled(B payload, JsonObject fields) {
        String currency = text(fields, "currency_code");
        JsonObject rest = new JsonObject();
        for (String name : fields.keySet()) {
            if (name.equals("currency_code")) {
                continue;
            }
            FieldDescriptor field = payload.getDescriptorForType().findFieldByName(name);
            JsonElement value = fields.get(name);
            if (isOf(field, Date.getDescriptor().getFullName())) {
                payload.setField(field, Values.date(LocalDate.parse(value.getAsString())));
            } else if (isOf(field, Money.getDescriptor().getFullName())) {
                payload.setField(field, Values.money(value.getAsString(), currency));
            } else if (field.getJavaType() == FieldDescriptor.JavaType.ENUM) {
                rest.add(name, new JsonPrimitive(prefix(field.getEnumType()) + value.getAsString()));
            } else {
                rest.add(name, value);
            }
        }
        Messages.parse(rest, payload);
        return payload;
    }

    private static boolean isOf(FieldDescriptor field, String message) {
        return field.getJavaType() == FieldDescriptor.JavaType.MESSAGE
            && field.getMessageType().getFullName().equals(message);
    }

    /** Returns what the names of an enum begin with, such as {@code ASSIGNMENT_ACTION_}. */
    private static String prefix(EnumDescriptor described) {
        return described.findValueByNumber(0).getName().replace("UNSPECIFIED", "");
    }

    private static String text(JsonObject from, String name) {
        return from.has(name) ? from.get(name).getAsString() : "";
    }
}
