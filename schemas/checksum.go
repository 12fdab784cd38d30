package schemas

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum returns the CRC-32C of a webhook's body, from 0 to 2^32-1.
func Checksum(body []byte) int64 { return int64(crc32.Checksum(body, castagnoli)) }

// Intact tells whether the body is the one that the checksum is of. Webhooks
// without one, those of version 1, are believed.
func (x *Webhook) Intact() bool { return x.CRC32C < 0 || x.CRC32C == Checksum(x.Body) }
