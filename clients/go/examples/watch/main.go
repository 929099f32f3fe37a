// Command watch is what a monitor does: it follows what becomes of every delivery, and stores its position
// so that it goes on there when it is started again.
//
//	go run ./examples/watch DISTRICT FILE
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"schoolbell.example/go/schoolbell"
	v1 "schoolbell.example/go/schoolbell/v1"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: watch DISTRICT FILE")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := watch(ctx, os.Args[1], os.Args[2]); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

func watch(ctx context.Context, district, file string) error {
	connection, err := schoolbell.FromEnvironment()
	if err != nil {
		return err
	}
	client, err := schoolbell.NewClient(connection)
	if err != nil {
		return err
	}
	defer client.Close()
	token, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	watcher := client.Watch(&v1.WatchStatusRequest{
		DistrictId: district, ResumeToken: strings.TrimSpace(string(token)),
	})
	defer watcher.Close()
	for {
		update, err := watcher.Next(ctx)
		if err != nil {
			return err
		}
		for _, state := range update.States {
			fmt.Println("state", state.GetServiceStatus(), state.GetConnectivity())
		}
		for _, one := range update.Deliveries {
			fmt.Println("delivery", one.GetDeliveryId(), one.GetState(), one.GetRevision())
		}
		if update.ResumeToken == "" {
			continue // within a list
		}
		if err := os.WriteFile(file, []byte(update.ResumeToken+"\n"), 0o600); err != nil {
			return err
		}
	}
}
