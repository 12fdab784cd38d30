package stream_test

import (
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthorn/posthorn/processor/stream"
)

func TestProgressIsReadAsItWasWritten(t *testing.T) {
	want := stream.Progress{Tasks: 3, Frontiers: map[int32]time.Time{0: time.UnixMicro(1).UTC(), 2: time.UnixMicro(1_800_000_000_000_001).UTC()}}
	rec := want.Record()
	if !stream.IsMarker(rec) {
		t.Error("it is no marker")
	}
	got, err := stream.ReadProgress(rec)
	if err != nil || got.Tasks != want.Tasks || !maps.Equal(got.Frontiers, want.Frontiers) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := stream.ReadProgress(&kgo.Record{Value: rec.Value[1:], Headers: rec.Headers}); err == nil {
		t.Error("a marker that was cut is read")
	}
}
