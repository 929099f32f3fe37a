package schoolbell

import (
	"strings"
	"testing"
	"time"
)

func TestTheServiceConfigIsRead(t *testing.T) {
	if DefaultDeadline != 15*time.Second {
		t.Error(DefaultDeadline)
	}
	if strings.Contains(retries, "timeout") {
		t.Error("a deadline of gRPC's own could not be made longer")
	}
	for _, method := range []string{`"PublishChange"`, `"GetStatus"`, `"UNAVAILABLE"`} {
		if !strings.Contains(retries, method) {
			t.Errorf("%s is missing", method)
		}
	}
	for _, stream := range []string{"StreamPublishChanges", "WatchStatus", "ImportRoster"} {
		if strings.Contains(retries, stream) {
			t.Errorf("%s is a stream, which gRPC must not repeat", stream)
		}
	}
}
