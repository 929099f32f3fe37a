/**
 * What a student information system does: it publishes scores and says what became of each.
 * SCHOOLBELL_TARGET, SCHOOLBELL_KEY or _KEY_FILE, and SCHOOLBELL_CA_FILE name the service.
 *
 *     node dist/examples/publish.js DISTRICT STUDENT CALENDAR
 */
import { Client, Event, SchoolbellError, date, fromEnvironment, money } from "@schoolbell/client";
import { AssignmentAction, PublishResult, type Change } from "@schoolbell/client/v1";

const [district, student, calendar] = process.argv.slice(2);
if (!district || !student || !calendar) {
  console.error("usage: publish DISTRICT STUDENT CALENDAR");
  process.exit(2);
}
await publish(district, changesOf(new Date(), student, calendar));

async function publish(districtId: string, changes: Change[]): Promise<void> {
  using client = new Client(fromEnvironment());
  const publisher = client.newPublisher(districtId);
  const answers = [];
  for (const change of changes) {
    answers.push(await publisher.submit(change)); // waits while too much is unanswered
  }
  await publisher.close(); // everything is answered then
  for (const answer of answers) {
    const ack = await answer.wait();
    console.log(answer.change.key?.changeId, PublishResult[ack.result]);
    const refusal = SchoolbellError.fromStatus(ack.error);
    if (refusal) {
      console.log("  refused:", refusal.message);
    }
  }
}

function changesOf(now: Date, studentId: string, calendarId: string): Change[] {
  const about = { source: "sis", studentId, calendarId, occurTime: now };
  // The id of a change is the same for the same event of the SIS.
  const score = new Event({ ...about, changeId: `score-${now.getTime()}` }).assignment({
    action: AssignmentAction.SCORED,
    assignmentId: "a1",
    sectionId: "s1",
    title: "Fractions",
    courseName: "Mathematics",
    dueDate: date(now, "America/Chicago"),
    scorePercent: 71.5,
  });
  const lunch = new Event({ ...about, changeId: `lunch-${now.getTime()}` }).lunchBalance({
    accountId: "7",
    balance: money("-4.35", "USD"),
  });
  return [score, lunch];
}
