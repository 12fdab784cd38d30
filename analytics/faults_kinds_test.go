package analytics

import (
	"errors"
	"syscall"
	"time"

	"github.com/posthorn/posthorn/analytics/faultproxy"
)

// faultKind is one way for things to go wrong. strike returns once it has hit
// what was at work, and is over.
type faultKind struct {
	name   string
	strike func(r *faultRun) error
}

const killedName = "ClickHouse killed during an insert"

var faultKinds = []faultKind{
	{killedName, killClickHouse},
	{"ClickHouse slow", inserts(2, 5, faultproxy.Slow(400*time.Millisecond))},
	{"ClickHouse does not answer", inserts(1, 2, faultproxy.Hang())},
	{"too many parts", inserts(1, 4, faultproxy.Exception(252, "TOO_MANY_PARTS", "Too many parts (3000). Merges are processing significantly slower than inserts"))},
	{"memory limit", inserts(1, 4, faultproxy.Exception(241, "MEMORY_LIMIT_EXCEEDED", "(total) memory limit exceeded: would use 3.61 GiB, maximum: 3.60 GiB"))},
	{"memory limit after the insert was applied", inserts(1, 3, faultproxy.Applied(faultproxy.Exception(241, "MEMORY_LIMIT_EXCEEDED", "(total) memory limit exceeded: while pushing to view")))},
	{"disk full", inserts(1, 4, faultproxy.Exception(243, "NOT_ENOUGH_SPACE", "Cannot reserve 1.00 MiB, not enough space"))},
	{"write failed", inserts(1, 3, faultproxy.Exception(75, "CANNOT_WRITE_TO_FILE_DESCRIPTOR", "Cannot write to file, errno: 28, strerror: No space left on device"))},
	{"table read-only", inserts(1, 4, faultproxy.Exception(242, "TABLE_IS_READ_ONLY", "Table is in readonly mode"))},
	{"503 of a balancer", inserts(1, 4, faultproxy.Unavailable())},
	{"timeout after the insert was applied", inserts(1, 2, faultproxy.Applied(faultproxy.Hang()))},
	{"connection reset after the insert was applied", inserts(1, 4, faultproxy.Applied(faultproxy.Reset()))},
	{"connection reset in the middle of the data", inserts(1, 4, faultproxy.HalfBody())},
	{"half an answer", inserts(1, 4, faultproxy.Applied(faultproxy.HalfAnswer()))},
	{"insert sent twice", inserts(1, 4, faultproxy.Twice())},
	{"answers in the contrary order", answersBackwards},
	{"insert arrives after its repetition", lateInserts},
	{"ClickHouse refuses connections", refuseConnections},
	{"sink killed during an insert", killSink},
	{"sink stopped and started during an insert", restartSink},
	{"groups in motion during an insert: the other sink stopped and started", restartOther},
	{"connections to Kafka cut", cutKafka(0)},
	{"Kafka out of reach for a while", cutKafka(800 * time.Millisecond)},
	{"lane taken over in the middle of an insert: owner cut off from Kafka", takeOverCutOff},
	{"lane taken over in the middle of an insert: owner paused", takeOverPaused},
}

// one is a sink that owns lanes, and the other one, which may stand by: a lane
// stays with its owner while there is one.
func (r *faultRun) one() (s, other *faultSink, err error) {
	first, before := r.rng.IntN(2), [2]int{}
	for i, s := range r.sinks {
		before[i] = s.proxy.Inserts("")
	}
	at := -1
	err = r.until("a sink that inserts", func() bool {
		for _, i := range []int{first, 1 - first} {
			// A few, so that one which inserts less is found as well.
			if n := r.sinks[i].proxy.Inserts("") - before[i]; n >= 4 || (i == first && n > 0) {
				at = i
				return true
			}
		}
		return false
	})
	if err != nil {
		return nil, nil, err
	}
	return r.sinks[at], r.sinks[1-at], nil
}

// meet lets an insert of a sink meet a fault, and up to n if more come soon. A
// sink that seemed to own a lane may have lost it; then the other one is struck.
func (r *faultRun) meet(n int, fault faultproxy.Fault) (s, other *faultSink, armed *faultproxy.Armed, err error) {
	for deadline := time.Now().Add(faultPatience); time.Now().Before(deadline); {
		if s, other, err = r.one(); err != nil {
			return nil, nil, nil, err
		}
		armed = s.proxy.Arm(n, fault)
		enough := time.Now().Add(3 * time.Second)
		err = r.until("inserts", func() bool { return armed.Met() >= n || time.Now().After(enough) })
		s.proxy.Disarm()
		if armed.Met() > 0 || err != nil {
			return s, other, armed, err
		}
	}
	return nil, nil, nil, errors.New("no insert meets the fault")
}

// inserts lets some inserts of one sink meet a fault.
func inserts(least, most int, fault faultproxy.Fault) func(r *faultRun) error {
	return func(r *faultRun) error {
		_, _, armed, err := r.meet(least+r.rng.IntN(most-least+1), fault)
		if err != nil {
			return err
		}
		return r.until("the end of inserts that met the fault", func() bool { return armed.Over() >= armed.Met() })
	}
}

func answersBackwards(r *faultRun) error {
	return inserts(3, 3, faultproxy.Backwards(3, 700*time.Millisecond))(r)
}

// hold keeps an insert of a sink on its way.
func (r *faultRun) hold() (s, other *faultSink, armed *faultproxy.Armed, err error) {
	return r.meet(1, faultproxy.Hold())
}

// over lets a held insert go on and waits for its end.
func (r *faultRun) over(armed *faultproxy.Armed) error {
	armed.Release()
	return r.until("the end of the held insert", func() bool { return armed.Over() > 0 })
}

// more waits until a sink has done some more inserts of a series, or of any.
func (r *faultRun) more(s *faultSink, series string, n int) error {
	before := s.proxy.Inserts(series)
	return r.until("further inserts", func() bool { return s.proxy.Inserts(series) >= before+n })
}

// killClickHouse kills the engine while an insert is on its way, and starts it
// on what is left.
func killClickHouse(r *faultRun) error {
	delay := time.Duration(r.rng.IntN(15_000)) * time.Microsecond
	_, _, armed, err := r.meet(1, faultproxy.Watched(func() {
		faultPause(r.t.Context(), delay)
		r.engine.process.kill()
	}))
	if err != nil {
		return err
	}
	if err := r.over(armed); err != nil {
		return err
	}
	faultPause(r.t.Context(), time.Duration(100+r.rng.IntN(500))*time.Millisecond)
	if err := r.engine.start(r.t.Context()); err != nil {
		return err
	}
	var errs []error
	for _, s := range r.sinks {
		errs = append(errs, s.proxy.Point(r.engine.dsn))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, _, err = r.one()
	return err
}

func refuseConnections(r *faultRun) error {
	s, other, armed, err := r.hold()
	if err != nil {
		return err
	}
	s.proxy.Cut()
	other.proxy.Cut()
	armed.Release()
	faultPause(r.t.Context(), time.Duration(300+r.rng.IntN(500))*time.Millisecond)
	if err := errors.Join(s.proxy.Restore(), other.proxy.Restore()); err != nil {
		return err
	}
	_, _, err = r.one()
	return err
}

// lateInserts sends copies of inserts when what their sink did next is done: the
// repetition of each, and more.
func lateInserts(r *faultRun) error {
	s, _, armed, err := r.meet(1+r.rng.IntN(3), faultproxy.Late())
	if err != nil {
		return err
	}
	if err := r.more(s, armed.Series(), 2); err != nil {
		return err
	}
	armed.Release()
	return r.until("the late copies", func() bool { return armed.Over() >= armed.Met() })
}

func killSink(r *faultRun) error {
	s, _, armed, err := r.hold()
	if err != nil {
		return err
	}
	s.process.kill()
	if r.rng.IntN(2) == 0 { // The insert arrives, its sink is gone.
		if err := r.over(armed); err != nil {
			return err
		}
	}
	if err := s.start(); err != nil {
		return err
	}
	if _, _, err := r.one(); err != nil {
		return err
	}
	return r.over(armed)
}

func restartSink(r *faultRun) error {
	s, _, armed, err := r.hold()
	if err != nil {
		return err
	}
	return r.restart(s, armed)
}

// restartOther moves the groups while an insert of the sink that stays is on its
// way.
func restartOther(r *faultRun) error {
	_, other, armed, err := r.hold()
	if err != nil {
		return err
	}
	return r.restart(other, armed)
}

func (r *faultRun) restart(s *faultSink, armed *faultproxy.Armed) error {
	if err := s.process.stop(); err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	return r.over(armed)
}

func cutKafka(away time.Duration) func(r *faultRun) error {
	return func(r *faultRun) error {
		s, _, armed, err := r.hold()
		if err != nil {
			return err
		}
		s.cutOff()
		faultPause(r.t.Context(), away)
		if err := s.reconnect(); err != nil {
			return err
		}
		if err := r.over(armed); err != nil {
			return err
		}
		_, _, err = r.one()
		return err
	}
}

func (s *faultSink) cutOff() {
	for _, b := range s.brokers {
		b.Stop()
	}
}

func (s *faultSink) reconnect() error {
	var errs []error
	for _, b := range s.brokers {
		errs = append(errs, b.Start())
	}
	return errors.Join(errs...)
}

// takeOverCutOff: the owner of a lane can't reach Kafka any more, and its insert
// reaches ClickHouse only when the next owner has gone on.
func takeOverCutOff(r *faultRun) error {
	s, other, armed, err := r.hold()
	if err != nil {
		return err
	}
	s.cutOff()
	if err := r.more(other, armed.Series(), 2); err != nil {
		return err
	}
	if err := r.over(armed); err != nil {
		return err
	}
	return s.reconnect()
}

// takeOverPaused: the same with an owner that stands still, and wakes up with
// its insert under way.
func takeOverPaused(r *faultRun) error {
	s, other, armed, err := r.hold()
	if err != nil {
		return err
	}
	if err := s.process.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	if err := r.more(other, armed.Series(), 2); err != nil {
		return err
	}
	if err := r.over(armed); err != nil {
		return err
	}
	return s.process.cmd.Process.Signal(syscall.SIGCONT)
}
