package schemas_test

import (
	"fmt"

	"github.com/posthorn/posthorn/schemas"
)

// A consumer in Go: decode the value of a record, look at what matters. With a
// registry, schemas.Register takes the place of NewLocalSerde.
func ExampleSerde_Decode() {
	serde := schemas.NewLocalSerde()
	value := serde.Append(nil, schemas.TopicEvents, &schemas.Event{
		Type:       schemas.EventTypeClicked,
		Recipient:  "someone@example.com",
		OccurredAt: 1772353800_123456,
		URL:        "https://shop.example/autumn",
	})

	var event schemas.Event
	if err := serde.Decode(value, &event); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Type, event.Recipient, event.OccurredAt, event.URL)
	// Output: clicked someone@example.com 2026-03-01T08:30:00.123456Z https://shop.example/autumn
}
