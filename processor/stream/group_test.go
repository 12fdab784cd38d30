package stream_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/posthorn/posthorn/internal/kafka"
	"github.com/posthorn/posthorn/processor/stream"
)

// eachGroup runs f on each kind of broker with each group protocol.
func eachGroup(t *testing.T, f func(t *testing.T, y *tally, protocol kafka.Protocol)) {
	for kind, brokers := range brokersOf {
		for _, protocol := range []kafka.Protocol{kafka.Classic, kafka.Consumer} {
			t.Run(fmt.Sprintf("%s/%s", kind, protocol), func(t *testing.T) {
				t.Parallel()
				f(t, newTally(t, brokers(t)), protocol)
			})
		}
	}
}

// member is a worker with an identity, state and metrics of its own.
type member struct {
	*stream.Worker
	id     string
	static bool
	dir    string
	reg    *prometheus.Registry
	stop   func()
}

func (y *tally) member(m *member, protocol kafka.Protocol) *member {
	y.t.Helper()
	m.reg = prometheus.NewRegistry()
	instance := ""
	if m.static {
		instance = m.id
	}
	m.Worker, m.stop = y.startWorker(stream.WorkerConfig{
		Stage: tallyStage(y.name, 0), TransactionalID: y.name + m.id, InstanceID: instance, StateDir: m.dir, Protocol: protocol, Registerer: m.reg,
	})
	return m
}

// tasks lists the partitions of a member's tasks.
func (m *member) tasks() string {
	var list []int32
	for _, t := range m.Status().Tasks {
		list = append(list, t.Partition)
	}
	return fmt.Sprint(list)
}

func (m *member) restored(t *testing.T) float64 {
	t.Helper()
	return metric(t, m.reg, "posthorn_stage_restored_records_total")
}

// settled tells whether the members share all tasks, each with some of them.
func settled(members ...*member) func() bool {
	return func() bool {
		sum := 0
		for _, m := range members {
			s := m.Status()
			if !s.Ready || len(s.Tasks) == 0 {
				return false
			}
			sum += len(s.Tasks)
		}
		return sum == partitions
	}
}

// One worker becomes three and one again, under load. Who is scaled in is
// removed from the group: its tasks move at once, not after a timeout.
func TestScaling(t *testing.T) {
	eachGroup(t, func(t *testing.T, y *tally, protocol kafka.Protocol) {
		// kfake can't remove a static member of the new protocol.
		static := y.fake == nil || protocol == kafka.Classic
		join := func(id string) *member { return y.member(&member{id: id, static: static, dir: t.TempDir()}, protocol) }
		a := join("a")
		stopLoad := y.load()
		await(t, "one worker", settled(a))
		b, c := join("b"), join("c")
		await(t, "three workers", settled(a, b, c))
		var commits int64
		for _, m := range []*member{a, b, c} {
			commits += m.Status().Commits
		}
		await(t, "commits of three", func() bool {
			return a.Status().Commits+b.Status().Commits+c.Status().Commits > commits+20
		})

		for _, m := range []*member{b, c} {
			m.stop()
		}
		began := time.Now()
		left, err := y.admin().LeaveGroup(t.Context(), kadm.LeaveGroup(y.name).InstanceIDs("b", "c").Reason("scaled in"))
		if err == nil {
			err = left.Error()
		}
		if err != nil && static {
			t.Fatal(err)
		}
		await(t, "one worker again", settled(a))
		if d := time.Since(began); d > kafka.DefaultSessionTimeout*3/4 {
			t.Errorf("tasks moved after %v", d)
		}
		y.check(stopLoad())
	})
}

// Three workers are restarted one after the other, under load. Nothing moves,
// and nothing is restored.
func TestRollingRestart(t *testing.T) {
	eachGroup(t, func(t *testing.T, y *tally, protocol kafka.Protocol) {
		if y.fake != nil && protocol == kafka.Consumer {
			t.Skip("kfake knows no static members of the consumer protocol that can be relied on; Apache Kafka is tested")
		}
		var members []*member
		for _, id := range []string{"a", "b", "c"} {
			members = append(members, y.member(&member{id: id, static: true, dir: t.TempDir()}, protocol))
		}
		await(t, "three workers", settled(members...))
		stopLoad := y.load()
		for _, m := range members {
			commits := m.Status().Commits
			await(t, "commits", func() bool { return m.Status().Commits > commits+5 })
		}
		var tasks []string
		var restored []float64
		for _, m := range members {
			tasks, restored = append(tasks, m.tasks()), append(restored, m.restored(t))
		}
		for i, m := range members {
			m.stop()
			y.member(m, protocol)
			restored[i] = 0
			await(t, "the restarted worker", func() bool { s := m.Status(); return s.Ready && s.Commits > 5 })
			for j, m := range members {
				if now := m.tasks(); now != tasks[j] {
					t.Errorf("%s has tasks %s after the restart of %s, before %s", m.id, now, members[i].id, tasks[j])
				}
				if n := m.restored(t); n != restored[j] {
					t.Errorf("%s restored %v records when %s restarted", m.id, n-restored[j], members[i].id)
				}
			}
		}
		y.check(stopLoad())
	})
}
