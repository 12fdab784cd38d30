package schemas_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/schemas"
)

func TestArrivedAt(t *testing.T) {
	appended := sampleTime + 10_000_000
	record := func(headers ...kgo.RecordHeader) *kgo.Record {
		return &kgo.Record{Timestamp: appended.Time(), Headers: headers}
	}
	spooled := func(at schemas.Timestamp) *kgo.Record {
		rec := record(kgo.RecordHeader{Key: "another"})
		schemas.SetReceived(rec, at)
		return rec
	}
	for name, tt := range map[string]struct {
		rec  *kgo.Record
		want schemas.Timestamp
	}{
		"from the gateway":                {record(), appended},
		"from the spool":                  {spooled(sampleTime), sampleTime},
		"a gateway's clock that is ahead": {spooled(appended + 1), appended},
		"no time":                         {spooled(0), appended},
		"before 1970":                     {spooled(-5), appended},
		"a header of another length":      {record(kgo.RecordHeader{Key: "posthorn-received", Value: []byte{1}}), appended},
	} {
		if got := schemas.ArrivedAt(tt.rec); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got.Time(), tt.want.Time())
		}
	}
}
