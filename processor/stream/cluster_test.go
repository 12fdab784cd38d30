package stream_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// await polls until ok, or fails after a minute.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline, tick := time.Now().Add(time.Minute), time.Tick(5*time.Millisecond); !ok(); <-tick {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// emptyTopic deletes all records of a topic; its offsets go on.
func (c *cluster) emptyTopic(topic string) {
	c.t.Helper()
	adm := c.admin()
	ends, err := adm.ListEndOffsets(c.t.Context(), topic)
	if err != nil {
		c.t.Fatal(err)
	}
	rs, err := adm.DeleteRecords(c.t.Context(), ends.Offsets())
	if err != nil {
		c.t.Fatal(err)
	}
	rs.Each(func(r kadm.DeleteRecordsResponse) {
		if r.Err != nil {
			c.t.Fatal(r.Err)
		}
	})
}
