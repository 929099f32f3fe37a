package example.schoolbell.examples;

import example.schoolbell.Client;
import example.schoolbell.Connection;
import example.schoolbell.SchoolbellException;
import example.schoolbell.v1.Device;
import example.schoolbell.v1.DeviceAddress;
import example.schoolbell.v1.FcmAddress;
import example.schoolbell.v1.GetSubscriptionsRequest;
import example.schoolbell.v1.Platform;
import example.schoolbell.v1.RegisterDeviceRequest;
import example.schoolbell.v1.Subscription;
import example.schoolbell.v1.SubscriptionOption;

/**
 * What a mobile backend does when somebody signs in on a phone: it registers the installation and shows
 * what the person may be told of.
 */
public final class Register {
    private Register() {}

    /**
     * Registers.
     *
     * @param arguments DISTRICT USER APP
     */
    public static void main(String[] arguments) {
        if (arguments.length != 3) {
            throw new IllegalArgumentException("usage: Register DISTRICT USER APP");
        }
        String district = arguments[0];
        String user = arguments[1];
        try (Client client = new Client(Connection.fromEnvironment())) {
            RegisterDeviceRequest request = request(district, user, arguments[2]);
            Device device = client.call(() -> client.devices().registerDevice(request)).getDevice();
            System.out.println("registered " + device.getDeviceId());
            GetSubscriptionsRequest page = GetSubscriptionsRequest.newBuilder()
                .setDistrictId(district).setUserId(user).setDeviceId(device.getDeviceId()).build();
            for (SubscriptionOption option :
                    client.call(() -> client.subscriptions().getSubscriptions(page)).getOptionsList()) {
                Subscription chosen = option.getSubscription();
                System.out.println(chosen.getStudentId() + " " + chosen.getKind() + " " + chosen.getEnabled());
            }
        } catch (SchoolbellException error) {
            if (!error.reason().equals("USER_NOT_FOUND")) {
                throw error;
            }
            System.err.println("the roster has no " + user + ": register again after the next import");
            System.exit(1);
        }
    }

    private static RegisterDeviceRequest request(String district, String user, String app) {
        String token = user + ":" + "A".repeat(140); // what Firebase gave the app
        return RegisterDeviceRequest.newBuilder()
            .setDistrictId(district)
            .setUserId(user)
            .setDevice(Device.newBuilder()
                .setAppId(app)
                .setPlatform(Platform.PLATFORM_ANDROID)
                .setInstallationId("installation-of-" + user)
                .setStayLoggedIn(true)
                .setLocale("en"))
            .setAddress(DeviceAddress.newBuilder().setFcm(FcmAddress.newBuilder().setRegistrationToken(token)))
            .build();
    }
}
