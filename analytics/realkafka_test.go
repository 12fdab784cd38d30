package analytics

import (
	"testing"
	"time"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/internal/testkafka"
	"github.com/posthorn/posthorn/schemas"
)

// The same on Apache Kafka, whose group coordinator is the one that counts.
func TestOnApacheKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	for name, test := range map[string]func(*testing.T, kafka.Config){
		"killed five times": func(t *testing.T, kcfg kafka.Config) {
			killFiveTimes(t, kcfg, childSession+"=6s", childInstance+"=sink-0")
		},
		"paused owner wakes up": func(t *testing.T, kcfg kafka.Config) { pauseOwner(t, kcfg, 6*time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			kcfg := kafka.Config{Brokers: testkafka.Start(t, testkafka.Options{}).Brokers()}
			admin, done, err := kafka.NewAdmin(kcfg)
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			created, err := admin.CreateTopics(t.Context(), 4, 1, nil, append(SinkTopics(), schemas.TopicDeadLetters)...)
			if err == nil {
				err = created.Error()
			}
			if err != nil {
				t.Fatal(err)
			}
			test(t, kcfg)
		})
	}
}
