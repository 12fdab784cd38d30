package stream

import "encoding/binary"

// bound returns how far the frontier may move towards micro: to just before the
// first timer that the open transaction may not fire any more. Timers of one
// moment are not parted. The rest follow in the next transaction, at once.
func (t *taskRunner) bound(micro int64) (int64, error) {
	if len(t.stores) == 0 || t.dueKnown && (t.nextDue == 0 || t.nextDue > micro) {
		return micro, nil
	}
	left, last := maxTimers-t.s.timers, int64(0)
	err := t.s.w.db.scan(t.partition, 0, []byte{timerByDue}, []byte{timerByDue + 1}, func(k, _ []byte) bool {
		at := int64(binary.BigEndian.Uint64(k[1:9]))
		if at > micro {
			return false
		}
		if _, changed := t.timers[string(k[9:])]; changed {
			return true // among them those that have fired already
		}
		if left <= 0 && at > last {
			micro, t.s.overdue = at-1, true
			return false
		}
		left--
		last = at
		return true
	})
	return micro, err
}
