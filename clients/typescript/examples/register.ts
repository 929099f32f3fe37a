/**
 * What a mobile backend does when somebody signs in on a phone: it registers the installation and shows
 * what the person may be told of.
 *
 *     node dist/examples/register.js DISTRICT USER APP
 */
import { Client, SchoolbellError, fromEnvironment } from "@schoolbell/client";
import { Kind, Platform } from "@schoolbell/client/v1";

const [district, user, app] = process.argv.slice(2);
if (!district || !user || !app) {
  console.error("usage: register DISTRICT USER APP");
  process.exit(2);
}
try {
  await register(district, user, app);
} catch (error) {
  if (error instanceof SchoolbellError && error.reason === "USER_NOT_FOUND") {
    console.error(`the roster has no ${user}: register again after the next import`);
    process.exit(1);
  }
  throw error;
}

async function register(districtId: string, userId: string, appId: string): Promise<void> {
  using client = new Client(fromEnvironment());
  const { device } = await client.devices.registerDevice({
    districtId,
    userId,
    device: {
      appId,
      platform: Platform.ANDROID,
      installationId: `installation-of-${userId}`,
      stayLoggedIn: true,
      locale: "en",
    },
    address: {
      target: {
        case: "fcm",
        // What Firebase gave the app.
        value: { target: { case: "registrationToken", value: `${userId}:${"A".repeat(140)}` } },
      },
    },
  });
  const deviceId = device?.deviceId ?? "";
  console.log("registered", deviceId);
  const page = await client.subscriptions.getSubscriptions({ districtId, userId, deviceId });
  for (const { subscription } of page.options) {
    console.log(subscription?.studentId, Kind[subscription?.kind ?? 0], subscription?.enabled);
  }
}
