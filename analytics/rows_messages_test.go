package analytics

import (
	"testing"

	"github.com/posthorn/posthorn/schemas"
)

// A message that was forgotten and begins again, at revision 1, replaces what it
// was before: the order of the topic counts, not the revision.
func TestMessageBeginsAgain(t *testing.T) {
	conn := migrated(t)
	message := func(revision, opens int64) *schemas.Message {
		return &schemas.Message{Tenant: "default", Account: "acc", MessageID: "m", RecipientID: numbered(1), Revision: revision, Opens: opens,
			FirstEventAt: epoch, LastEventAt: epoch, LastArrivedAt: epoch}
	}
	addAt(t, conn, schemas.TopicMessages, "messages", 7, message(1, 3))
	addAt(t, conn, schemas.TopicMessages, "messages", 6, message(9, 8))
	if n := number(t, conn, "SELECT toUInt64(sum(opens)) FROM messages FINAL"); n != 3 {
		t.Errorf("%d opens, want the 3 of the last record", n)
	}
}
