import assert from "node:assert/strict";
import { test } from "node:test";

import { create, fromJson } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, Event, SchoolbellError, date, money, reasonOf, stringify } from "@schoolbell/client";
import { ChangeSchema, DeliverySchema, StatusSchema } from "@schoolbell/client/v1";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";

test("money is exact", () => {
  for (const [amount, units, nanos] of [
    ["0", 0n, 0], ["-4.35", -4n, -350_000_000], ["-0.05", 0n, -50_000_000], ["+12", 12n, 0],
    ["0.000000001", 0n, 1], ["999999999999.99", 999_999_999_999n, 990_000_000], ["-3", -3n, 0],
  ] as const) {
    const made = money(amount, "USD");
    assert.deepEqual([made.units, made.nanos, made.currencyCode], [units, nanos, "USD"], amount);
  }
  for (const amount of ["", "4,35", "1e3", " 1", "1.", ".5", "1.0000000001", "$1", "--1", "1\n"]) {
    assert.throws(() => money(amount), RangeError, amount);
  }
});

test("a day is that of its place", () => {
  const late = new Date("2026-11-24T23:30:00-06:00");
  assert.equal(date(late, "America/Chicago").day, 24);
  assert.equal(date(late, "UTC").day, 25);
  assert.deepEqual(date("2024-02-29"), date(new Date(2024, 1, 29, 12)));
  for (const day of ["2026-02-30", "2026-13-01", "2026-00-10", "2026-11-00", "26-11-01", "2026-11-01T00:00", "0000-01-01", ""]) {
    assert.throws(() => date(day), RangeError, day);
  }
  assert.throws(() => date(new Date(NaN)), RangeError);
});

test("each kind is built", () => {
  const event = new Event({ source: "sis", changeId: "1", studentId: "s", calendarId: "c", occurTime: new Date(0) });
  for (const kind of ["assignment", "grade", "attendance", "lunchBalance", "responsiveSchedule"] as const) {
    const expected = fromJson(ChangeSchema, {
      key: { source: "sis", changeId: "1" }, studentId: "s", calendarId: "c", occurTime: "1970-01-01T00:00:00Z", [kind]: {},
    });
    assert.deepEqual(event[kind]({}), expected);
  }
});

test("64-bit numbers are text in JSON, also within other values", () => {
  const delivery = create(DeliverySchema, { deliveryId: "a", revision: 9_007_199_254_740_993n });
  assert.equal(
    stringify({ deliveries: [delivery], lists: 1n }),
    '{"deliveries":[{"deliveryId":"a","revision":"9007199254740993"}],"lists":"1"}',
  );
});

test("an error carries what the service says", () => {
  for (const prefix of ["", "ERROR_REASON_"]) {
    const fieldViolations = [{ field: "change.key", description: "change.key is required.", reason: "REQUIRED" }];
    const details = [
      anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: `${prefix}INVALID_FIELD`, metadata: { total: "3" } })),
      anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })),
      anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(1500) })),
    ];
    const status = create(StatusSchema, { code: Code.INVALID_ARGUMENT, message: "bad", details });
    const error = SchoolbellError.fromStatus(status);
    assert.ok(error);
    assert.equal(error.message, "INVALID_ARGUMENT INVALID_FIELD: change.key is required. And 2 more.");
    assert.equal(reasonOf(error), "INVALID_FIELD");
    assert.deepEqual(error.fields, [{ path: "change.key", text: "change.key is required.", reason: "REQUIRED" }]);
    assert.equal(error.retryAfterMs, 1500);
  }
  assert.equal(SchoolbellError.fromStatus(undefined), undefined);
});

test("a fault of the transport says nothing of the outcome", () => {
  for (const code of [Code.INTERNAL, Code.UNKNOWN, Code.UNAVAILABLE]) {
    assert.equal(new SchoolbellError(create(StatusSchema, { code })).code, Code.UNAVAILABLE);
  }
});
