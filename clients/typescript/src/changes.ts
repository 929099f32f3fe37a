import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";

import { DateSchema, type Date as CalendarDate } from "./gen/google/type/date_pb.js";
import { MoneySchema, type Money } from "./gen/google/type/money_pb.js";
import {
  ChangeSchema,
  type AssignmentChangeSchema,
  type AttendanceChangeSchema,
  type Change,
  type GradeChangeSchema,
  type LunchBalanceChangeSchema,
  type ResponsiveScheduleChangeSchema,
} from "./gen/schoolbell/v1/change_pb.js";

const ISO_DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const DECIMAL = /^([+-]?)(\d{1,18})(?:\.(\d{1,9}))?$/;

/** What every change has, whatever its kind. */
export interface EventFields {
  /** The publishing system. */
  readonly source: string;
  /**
   * Its id of the change: the same key with the same content is a duplicate, so that a change may be
   * published again after a break.
   */
  readonly changeId: string;
  /** Whom it is about. */
  readonly studentId: string;
  /** The calendar it belongs to; only a lunch balance may do without one. */
  readonly calendarId?: string;
  /** When it happened. */
  readonly occurTime: Date;
  /** A historical change updates what is known, and nobody is told. */
  readonly historical?: boolean;
}

/**
 * What every change has; its methods build the change of each kind:
 *
 *     const event = new Event({ source: "sis", changeId: "4711", studentId: "1001", calendarId: "high:2027", occurTime });
 *     const change = event.assignment({
 *       action: AssignmentAction.SCORED, assignmentId: "a1", sectionId: "s1", scorePercent: 71.5,
 *       dueDate: date("2026-11-30"),
 *     });
 */
export class Event {
  readonly #fields: EventFields;

  constructor(fields: EventFields) {
    this.#fields = fields;
  }

  assignment(value: MessageInitShape<typeof AssignmentChangeSchema>): Change {
    return this.#change({ case: "assignment", value });
  }

  grade(value: MessageInitShape<typeof GradeChangeSchema>): Change {
    return this.#change({ case: "grade", value });
  }

  attendance(value: MessageInitShape<typeof AttendanceChangeSchema>): Change {
    return this.#change({ case: "attendance", value });
  }

  /** See {@link money}. */
  lunchBalance(value: MessageInitShape<typeof LunchBalanceChangeSchema>): Change {
    return this.#change({ case: "lunchBalance", value });
  }

  responsiveSchedule(value: MessageInitShape<typeof ResponsiveScheduleChangeSchema>): Change {
    return this.#change({ case: "responsiveSchedule", value });
  }

  #change(payload: NonNullable<Exclude<MessageInitShape<typeof ChangeSchema>, Change>["payload"]>): Change {
    const { source, changeId, occurTime, ...rest } = this.#fields;
    return create(ChangeSchema, {
      ...rest,
      key: { source, changeId },
      occurTime: timestampFromDate(occurTime),
      payload,
    });
  }
}

/**
 * Returns a day: of an ISO text such as `2026-11-30`, or of a point in time, in a time zone such as
 * `America/Chicago` or else that of this process. Throws RangeError for what is no day.
 */
export function date(day: string | Date, timeZone?: string): CalendarDate {
  const text = typeof day === "string" ? day : new Intl.DateTimeFormat("sv-SE", { timeZone }).format(day);
  const [, year, month, number] = (ISO_DATE.exec(text) ?? []).map(Number);
  const made = new Date(`${text}T00:00:00Z`);
  if (!year || !month || !number || made.getUTCMonth() + 1 !== month) {
    throw new RangeError(`${JSON.stringify(day)} is no day: write it such as 2026-11-30`);
  }
  return create(DateSchema, { year, month, day: number });
}

/**
 * Returns the amount that a decimal text names, such as `-4.35`, exactly. An empty currency code is the
 * district's currency. Throws RangeError for what is no amount.
 */
export function money(amount: string, currencyCode = ""): Money {
  const [, sign, whole, part] = DECIMAL.exec(amount) ?? [];
  if (whole === undefined) {
    throw new RangeError(`${JSON.stringify(amount)} is no amount: write it such as -4.35`);
  }
  const units = BigInt(whole);
  const nanos = Number((part ?? "").padEnd(9, "0"));
  return create(MoneySchema, {
    currencyCode,
    units: sign === "-" ? -units : units,
    nanos: sign === "-" && nanos !== 0 ? -nanos : nanos,
  });
}
