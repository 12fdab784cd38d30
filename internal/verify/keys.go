package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strconv"

	"github.com/posthorn/posthorn/processor/trigger"
	"github.com/posthorn/posthorn/schemas"
)

// hash is SHA-256 over texts, each with its length before it.
func hash(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, part := range parts {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		_, _ = h.Write([]byte(part))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// triggerID is the id of an occurrence of a rule for a once-per key.
func triggerID(tenant string, r *trigger.Rule, key, occurrence string) schemas.ID {
	sum := hash(tenant, r.Name, key, occurrence)
	return schemas.ID(sum[:16])
}

// onceKey is what the rule fires once for, and false where the message does not
// take part in the rule.
func onceKey(r *trigger.Rule, m *trigger.Message) (string, bool) {
	recipient := string(m.RecipientID[:])
	key := m.Account + "\x00" + m.MessageID + "\x00" + recipient
	switch r.OncePer {
	case trigger.OncePerRecipient:
		if m.Recipient == "" {
			return "", false
		}
		key = recipient
	case trigger.OncePerCampaign:
		if m.Recipient == "" || m.CampaignID == "" {
			return "", false
		}
		key = m.CampaignID + "\x00" + recipient
	}
	return key, sampled(r, m.Tenant, key)
}

// sampled tells whether a once-per key is in the rule's sample.
func sampled(r *trigger.Rule, tenant, key string) bool {
	const million = 1_000_000
	if r.Sample >= million {
		return true
	}
	sum := hash("sample", tenant, r.Name, key)
	// 2^64 / 1e6 is the same as (2^64 - 1) / 1e6: 1e6 does not divide 2^64.
	return binary.BigEndian.Uint64(sum[:8]) < uint64(r.Sample)*(math.MaxUint64/million)
}

// occurrence names the firing of a key that something at that time is.
func occurrence(r *trigger.Rule, at schemas.Timestamp) string {
	if r.Cooldown == 0 {
		return "once"
	}
	c := micros(r.Cooldown)
	start := at - at%c
	if at%c < 0 {
		start -= c
	}
	return strconv.FormatInt(int64(start), 10)
}
