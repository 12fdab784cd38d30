package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake takes message.timestamp.type from a topic's configuration but does not
// act on it (it acts on the batch's attribute, which no client sets, and then
// leaves a wrong checksum behind). So the time of writing is put into every
// record here, on the way in. To readers it looks like a time of creation.
type appendTime struct {
	cluster *kfake.Cluster
	stamped map[[16]byte]bool // by topic id; a topic made again has another

	compressor   kgo.Compressor
	decompressor kgo.Decompressor
}

func stampAppendTime(c *kfake.Cluster) error {
	compressor, err := kgo.DefaultCompressor(kgo.SnappyCompression())
	if err != nil {
		return err
	}
	a := appendTime{c, map[[16]byte]bool{}, compressor, kgo.DefaultDecompressor()}
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		a.produce(req.(*kmsg.ProduceRequest))
		return nil, nil, false // and on to kfake
	})
	return nil
}

// produce is called for one request at a time.
func (a appendTime) produce(req *kmsg.ProduceRequest) {
	for _, t := range req.Topics {
		if !a.wants(t) {
			continue
		}
		for i := range t.Partitions {
			p := &t.Partitions[i]
			p.Records = a.stamp(p.Records, time.Now().UnixMilli())
		}
	}
}

func (a appendTime) wants(t kmsg.ProduceRequestTopic) bool {
	if t.Topic != "" { // clients older than Kafka 4.1
		return isAppendTime(a.cluster.TopicInfo(t.Topic))
	}
	wants, known := a.stamped[t.TopicID]
	if !known {
		info := a.cluster.TopicIDInfo(t.TopicID)
		if info == nil {
			return false
		}
		wants = isAppendTime(info)
		a.stamped[t.TopicID] = wants
	}
	return wants
}

func isAppendTime(info *kfake.TopicInfo) bool {
	if info == nil {
		return false
	}
	v := info.Configs["message.timestamp.type"]
	return v != nil && *v == "LogAppendTime"
}

// Offsets in the header of a record batch (message format 2). The checksum
// covers everything from the attributes on.
const (
	atLength     = 8
	atChecksum   = 17
	atAttributes = 21
	atFirstTime  = 27
	atMaxTime    = 35
	atRecords    = 61
)

// stamp gives all records of a batch the time now, in milliseconds since 1970.
// A batch that is not sound is left for kfake to refuse.
func (a appendTime) stamp(batch []byte, now int64) []byte {
	const transactional = 0x10
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	if len(batch) >= atRecords && batch[atAttributes+1]&transactional != 0 {
		return batch // written by the stages, on this machine and by its clock
	}
	if len(batch) < atRecords || binary.BigEndian.Uint32(batch[atChecksum:]) != crc32.Checksum(batch[atAttributes:], castagnoli) {
		return batch
	}
	// A record's time is the batch's plus a difference of its own, which is
	// not 0 where records were made at different times.
	if !bytes.Equal(batch[atFirstTime:atMaxTime], batch[atMaxTime:atMaxTime+8]) {
		var err error
		if batch, err = a.dropDifferences(batch); err != nil {
			return batch
		}
	}
	binary.BigEndian.PutUint64(batch[atFirstTime:], uint64(now))
	binary.BigEndian.PutUint64(batch[atMaxTime:], uint64(now))
	binary.BigEndian.PutUint32(batch[atChecksum:], crc32.Checksum(batch[atAttributes:], castagnoli))
	return batch
}

// dropDifferences returns the batch with all records at the batch's time, or
// the batch as it is with an error.
func (a appendTime) dropDifferences(batch []byte) ([]byte, error) {
	const codecBits = 0x07
	records, err := a.decompressor.Decompress(batch[atRecords:], kgo.CompressionCodecType(batch[atAttributes+1]&codecBits))
	if err != nil {
		return batch, err
	}
	plain := make([]byte, 0, len(records))
	for len(records) > 0 {
		// length, attributes, time difference, and the rest as it is
		length, n := binary.Varint(records)
		if n <= 0 || length < 2 || length > int64(len(records)-n) {
			return batch, errMalformed
		}
		record := records[n : n+int(length)]
		records = records[n+int(length):]
		_, n = binary.Varint(record[1:])
		if n <= 0 {
			return batch, errMalformed
		}
		rest := record[1+n:]
		plain = binary.AppendVarint(plain, int64(2+len(rest)))
		plain = append(plain, record[0], 0)
		plain = append(plain, rest...)
	}
	packed, codec := a.compressor.Compress(new(bytes.Buffer), plain)
	out := append(batch[:atRecords:atRecords], packed...)
	out[atAttributes+1] = out[atAttributes+1]&^codecBits | byte(codec)
	binary.BigEndian.PutUint32(out[atLength:], uint32(len(out)-atLength-4))
	return out, nil
}

var errMalformed = errors.New("malformed record")
