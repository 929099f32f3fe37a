import { fromJson, type DescField, type JsonObject } from "@bufbuild/protobuf";
import { Event, date, money } from "@schoolbell/client";
import {
  AssignmentChangeSchema,
  AttendanceChangeSchema,
  GradeChangeSchema,
  LunchBalanceChangeSchema,
  ResponsiveScheduleChangeSchema,
  type Change,
} from "@schoolbell/client/v1";

/** What `build` is given. */
export interface Building {
  kind: string;
  source: string;
  change_id: string;
  student_id: string;
  calendar_id?: string;
  occur_time: string;
  fields: JsonObject;
}

const SCHEMAS = {
  assignment: AssignmentChangeSchema,
  grade: GradeChangeSchema,
  attendance: AttendanceChangeSchema,
  lunch_balance: LunchBalanceChangeSchema,
  responsive_schedule: ResponsiveScheduleChangeSchema,
};

const METHODS = {
  assignment: "assignment",
  grade: "grade",
  attendance: "attendance",
  lunch_balance: "lunchBalance",
  responsive_schedule: "responsiveSchedule",
} as const;

/** Makes a change with the client's builder of its kind. */
export function build(asked: Building): Change {
  const event = new Event({
    source: asked.source,
    changeId: asked.change_id,
    studentId: asked.student_id,
    calendarId: asked.calendar_id ?? "",
    occurTime: new Date(asked.occur_time),
  });
  const kind = asked.kind as keyof typeof SCHEMAS;
  const schema = SCHEMAS[kind];
  const { currency_code: currency, ...fields } = asked.fields;
  const made: Record<string, unknown> = {};
  const rest: JsonObject = {};
  for (const field of schema.fields) {
    const value = fields[field.name];
    if (value === undefined) {
      continue;
    }
    if (field.message?.typeName === "google.type.Date") {
      made[field.localName] = date(String(value));
    } else if (field.message?.typeName === "google.type.Money") {
      made[field.localName] = money(String(value), currency ? String(currency) : "");
    } else {
      rest[field.name] = field.enum ? enumName(field, String(value)) : value;
    }
  }
  const payload = { ...fromJson(schema, rest), ...made };
  return (event[METHODS[kind]] as (value: unknown) => Change)(payload);
}

function enumName(field: DescField, value: string): string {
  const zero = field.enum?.values[0]?.name ?? "";
  return zero.replace("UNSPECIFIED", value);
}
