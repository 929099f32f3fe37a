// Package schoolbell is the Go client of Schoolbell.
//
//	connection, err := schoolbell.FromEnvironment()
//	client, err := schoolbell.NewClient(connection)
//	defer client.Close()
//	answer, err := client.Changes.PublishChange(ctx, request)
//
// A [Client] holds a stub for each service of the contract, whose messages are in package
// schoolbell.example/go/schoolbell/v1. Unary calls have a default deadline and are repeated where the
// contract says that this is safe. Every error of a call is an [*Error] with the service's reason.
//
// A [Publisher] publishes many changes on a stream and sends again what was not answered when the
// stream broke. A [Watcher] follows what becomes of them and resumes by itself.
package schoolbell

// Version is the version of this client; it follows that of the contract.
const Version = "0.1.0"
