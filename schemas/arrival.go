package schemas

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kgo"
)

// receivedHeader is the header of a webhook that waited in a gateway's spool: when
// the gateway received it, in microseconds, 8 bytes, big endian.
const receivedHeader = "posthorn-received"

// SetReceived marks a record of posthorn.webhooks as one that waited in a spool
// and counts as arrived when it was received. Only a gateway that held the arrival
// frontier meanwhile may say so.
func SetReceived(rec *kgo.Record, at Timestamp) {
	rec.Headers = append(rec.Headers, kgo.RecordHeader{
		Key: receivedHeader, Value: binary.BigEndian.AppendUint64(nil, uint64(at)),
	})
}

// ArrivedAt is the arrival time of a record of posthorn.webhooks: the time of its
// log append, or when the gateway received it, if it waited in a spool since.
func ArrivedAt(rec *kgo.Record) Timestamp {
	at := FromTime(rec.Timestamp)
	for i := range rec.Headers {
		if h := &rec.Headers[i]; h.Key == receivedHeader && len(h.Value) == 8 {
			if received := Timestamp(binary.BigEndian.Uint64(h.Value)); received > 0 {
				return min(at, received)
			}
		}
	}
	return at
}
