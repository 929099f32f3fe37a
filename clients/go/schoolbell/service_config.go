package schoolbell

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"time"
)

//go:embed service_config.json
var sharedServiceConfig []byte

// DefaultDeadline is how long a unary call may take that names no deadline, as the contract's service
// config says.
var DefaultDeadline, retries = readServiceConfig(sharedServiceConfig)

// readServiceConfig returns the default deadline, and what gRPC is given: the config without its
// deadlines, which a caller could then only shorten.
func readServiceConfig(text []byte) (time.Duration, string) {
	var config struct {
		MethodConfig []map[string]any `json:"methodConfig"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		panic(fmt.Sprintf("schoolbell: the service config is no JSON: %v", err))
	}
	var deadline time.Duration
	for _, method := range config.MethodConfig {
		limit, err := time.ParseDuration(fmt.Sprint(method["timeout"]))
		if err != nil {
			panic(fmt.Sprintf("schoolbell: the service config names no deadline: %v", err))
		}
		deadline = max(deadline, limit)
		delete(method, "timeout")
	}
	stripped, err := json.Marshal(config)
	if err != nil {
		panic(err) // it was JSON a moment ago
	}
	return deadline, string(stripped)
}
