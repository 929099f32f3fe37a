package schoolbell

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "schoolbell.example/go/schoolbell/v1"
)

func snapshot(id string, revision int64) *v1.Delivery {
	return &v1.Delivery{DistrictId: "d", DeliveryId: id, Revision: revision}
}

func response(token string, deliveries ...*v1.Delivery) *v1.WatchStatusResponse {
	return &v1.WatchStatusResponse{ResumeToken: token, Deliveries: deliveries}
}

func refused(t *testing.T, code codes.Code, reason string) error {
	found, err := status.New(code, "").WithDetails(&errdetails.ErrorInfo{Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return found.Err()
}

func TestAWatcherResumesAndDropsWhatItHandedOver(t *testing.T) {
	server := &statusServer{
		streams: [][]*v1.WatchStatusResponse{
			{response("1", snapshot("a", 1)), response("2", snapshot("a", 2), snapshot("b", 1))},
			{response("3", snapshot("a", 2), snapshot("b", 2), snapshot("a", 1))},
		},
		errors: []error{status.Error(codes.Unavailable, "broken"), refused(t, codes.Unavailable, "DRAINING")},
	}
	watcher := serve(t, nil, server).Watch(&v1.WatchStatusRequest{DistrictId: "d", ResumeToken: "0"})
	defer watcher.Close()
	var seen []string
	for range 3 {
		update, err := watcher.Next(within30(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range update.Deliveries {
			seen = append(seen, fmt.Sprint(one.GetDeliveryId(), one.GetRevision()))
		}
	}
	if want := []string{"a1", "a2", "b1", "b2"}; !slices.Equal(seen, want) {
		t.Errorf("%v, want %v", seen, want)
	}
	server.mutex.Lock()
	defer server.mutex.Unlock()
	if want := []string{"0", "2"}; !slices.Equal(server.tokens[:2], want) {
		t.Errorf("asked with %v, want %v", server.tokens, want)
	}
}

func TestAWatcherWhoseTokenExpiredLists(t *testing.T) {
	for _, reason := range []string{tokenExpired, tokenForeign} {
		server := &statusServer{
			streams: [][]*v1.WatchStatusResponse{{}, {response("9", snapshot("a", 4))}},
			errors:  []error{refused(t, codes.OutOfRange, reason), nil},
			pages: map[string]*v1.ListDeliveriesResponse{
				"": {
					Deliveries: []*v1.Delivery{snapshot("a", 3)}, NextPageToken: "p", ResumeToken: "8",
				},
				"p": {Deliveries: []*v1.Delivery{snapshot("b", 1)}, ResumeToken: "8"},
			},
		}
		watcher := serve(t, nil, server).Watch(&v1.WatchStatusRequest{DistrictId: "d", ResumeToken: "1"})
		defer watcher.Close()
		var tokens []string
		for range 3 {
			update, err := watcher.Next(within30(t))
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, update.ResumeToken)
		}
		if want := []string{"", "8", "9"}; !slices.Equal(tokens, want) || watcher.Lists() != 1 {
			t.Errorf("%s: %v, want %v", reason, tokens, want)
		}
		server.mutex.Lock()
		if want := []string{"1", "8"}; !slices.Equal(server.tokens[:2], want) {
			t.Errorf("asked with %v, want %v", server.tokens, want)
		}
		server.mutex.Unlock()
	}
}

func TestAMistakeEndsTheWatcher(t *testing.T) {
	server := &statusServer{
		streams: [][]*v1.WatchStatusResponse{{}},
		errors:  []error{refused(t, codes.Unauthenticated, "KEY_REVOKED")},
	}
	watcher := serve(t, nil, server).Watch(&v1.WatchStatusRequest{DistrictId: "d"})
	defer watcher.Close()
	for range 2 {
		if _, err := watcher.Next(within30(t)); ReasonOf(err) != "KEY_REVOKED" {
			t.Error(err)
		}
	}
}

func TestRevisionsAreRememberedWithinBounds(t *testing.T) {
	seen := revisions{known: map[string]int64{}}
	for number := range mostRevisions + 10 {
		seen.newer([]*v1.Delivery{snapshot(fmt.Sprint(number), 1)})
	}
	if len(seen.known) != mostRevisions || len(seen.order) != mostRevisions {
		t.Errorf("%d, %d", len(seen.known), len(seen.order))
	}
}
