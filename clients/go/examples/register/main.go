// Command register is what a mobile backend does when somebody signs in on a phone: it registers the
// installation and shows what the person may be told of.
//
//	go run ./examples/register DISTRICT USER APP
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: register DISTRICT USER APP")
	}
	if err := register(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func register(ctx context.Context, district, user, app string) error {
	connection, err := schoolbell.FromEnvironment()
	if err != nil {
		return err
	}
	client, err := schoolbell.NewClient(connection)
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := client.Devices.RegisterDevice(ctx, &v1.RegisterDeviceRequest{
		DistrictId: district,
		UserId:     user,
		Device: &v1.Device{
			AppId:          app,
			Platform:       v1.Platform_PLATFORM_ANDROID,
			InstallationId: "installation-of-" + user,
			StayLoggedIn:   proto.Bool(true),
			Locale:         "en",
		},
		Address: &v1.DeviceAddress{Target: &v1.DeviceAddress_Fcm{Fcm: &v1.FcmAddress{
			Target: &v1.FcmAddress_RegistrationToken{
				RegistrationToken: user + ":" + strings.Repeat("A", 140), // what Firebase gave the app
			},
		}}},
	})
	var refused *schoolbell.Error
	if errors.As(err, &refused) && refused.Reason == "USER_NOT_FOUND" {
		return fmt.Errorf("the roster has no %s: register again after the next import", user)
	}
	if err != nil {
		return err
	}
	device := answer.GetDevice()
	fmt.Println("registered", device.GetDeviceId())
	page, err := client.Subscriptions.GetSubscriptions(ctx, &v1.GetSubscriptionsRequest{
		DistrictId: district, UserId: user, DeviceId: device.GetDeviceId(),
	})
	if err != nil {
		return err
	}
	for _, option := range page.GetOptions() {
		chosen := option.GetSubscription()
		fmt.Println(chosen.GetStudentId(), chosen.GetKind(), chosen.GetEnabled())
	}
	return nil
}
