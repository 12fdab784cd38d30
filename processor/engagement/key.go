package engagement

import (
	"bytes"
	"fmt"

	"github.com/posthorn/posthorn/schemas"
)

// Kinds of keys in the store of messages: its first byte.
const (
	keyMessage = 'm'
	keyFolded  = 'f'
)

// appendKey appends the store key of a message. Tenant and account hold no NUL
// byte and the recipient id has a fixed size: so no two messages share a key.
func appendKey(b []byte, id *identity) []byte {
	b = append(b, keyMessage)
	b = append(b, id.tenant...)
	b = append(b, 0)
	b = append(b, id.account...)
	b = append(b, 0)
	b = append(b, id.messageID...)
	return append(b, id.recipientID[:]...)
}

// identityOfKey reads what appendKey has written.
func identityOfKey(key []byte) (id identity, err error) {
	parts := bytes.SplitN(key, []byte{0}, 3)
	size := len(id.recipientID)
	if len(parts) < 3 || len(parts[2]) < size || key[0] != keyMessage {
		return id, fmt.Errorf("key %q is not of a message", key)
	}
	rest := parts[2]
	at := len(rest) - size
	return identity{string(parts[0][1:]), string(parts[1]), string(rest[:at]), schemas.ID(rest[at:])}, nil
}

// foldedKey is the store key of a folded event of a message.
func foldedKey(message []byte, event schemas.ID) []byte {
	b := append(make([]byte, 0, len(message)+len(event)), message...)
	b[0] = keyFolded
	return append(b, event[:]...)
}

// topicKey is the key of the message's records.
func topicKey(id *identity) []byte {
	b := make([]byte, 0, len(id.tenant)+len(id.account)+len(id.messageID)+39)
	b = append(b, id.tenant...)
	b = append(b, '/')
	b = append(b, id.account...)
	b = append(b, '/')
	b = append(b, id.messageID...)
	b = append(b, '/')
	return id.recipientID.AppendText36(b)
}
