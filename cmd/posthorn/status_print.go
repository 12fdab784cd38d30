package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/posthorn/posthorn/processor/stream"
)

func (r *statusReport) print(w io.Writer, now time.Time, tasks bool) {
	fmt.Fprintf(w, "%s  generation %d is live\n", now.Format(time.TimeOnly), r.Generation)
	r.printGroups(w)
	if len(r.Processes) == 0 {
		fmt.Fprintln(w, "No process answers at the addresses of the configuration: name those of the metrics with --at.")
		return
	}
	for _, p := range r.Processes {
		fmt.Fprintf(w, "\n%s", p.At)
		if p.Instance != "" {
			fmt.Fprintf(w, "  instance %s", p.Instance)
		}
		if p.Error != "" {
			fmt.Fprintf(w, "  %s\n", p.Error)
			continue
		}
		fmt.Fprintln(w)
		p.printStages(w, now)
		if tasks {
			p.printTasks(w, now)
		}
		p.printSink(w)
		if p.Rules != nil && p.Rules.Problem != "" {
			fmt.Fprintf(w, "rules: the files have errors, %d rules of %s stay in force: %s\n", p.Rules.Rules, p.Rules.Since.UTC().Format(time.DateTime), p.Rules.Problem)
		}
	}
}

func newTable(w io.Writer, columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row(columns))
	return t
}

func (r *statusReport) printGroups(w io.Writer) {
	t := newTable(w, "Group", "Reads", "Lag")
	for _, g := range r.Groups {
		t.AppendRow(table.Row{g.Group, g.Topic, known(g.Lag)})
	}
	t.Render()
}

func (p *askedProcess) printStages(w io.Writer, now time.Time) {
	if len(p.Stages) == 0 {
		return
	}
	t := newTable(w, "Stage", "Ready", "Tasks", "Lag", "Behind", "Frontier", "State", "Commits", "Aborts", "Late", "Dead letters")
	for _, s := range p.Stages {
		ready := "yes"
		if !s.Ready {
			ready = "no"
		}
		t.AppendRow(table.Row{s.Stage, ready, len(s.Tasks), known(s.Lag), seconds(s.LagSeconds), ago(s.Frontier, now),
			bytesText(s.StateBytes), s.Commits, s.Aborts, s.Late, s.DeadLetters})
	}
	t.Render()
	for _, s := range p.Stages {
		if s.Detail != "" {
			fmt.Fprintf(w, "%s: %s\n", s.Stage, s.Detail)
		}
		if s.LastError != "" {
			fmt.Fprintf(w, "%s: last error, %s: %s\n", s.Stage, ago(s.ErrorAt, now), s.LastError)
		}
	}
}

func (p *askedProcess) printTasks(w io.Writer, now time.Time) {
	t := newTable(w, "Stage", "Partition", "Position", "Lag", "Behind", "Frontier", "Restored", "State", "Late", "Dead letters")
	for _, s := range p.Stages {
		for _, k := range s.Tasks {
			t.AppendRow(table.Row{s.Stage, k.Partition, k.Position, known(k.Lag), seconds(k.LagSeconds), ago(k.Frontier, now),
				restored(k), bytesText(k.StateBytes), k.Late, k.DeadLetters})
		}
	}
	t.Render()
}

func (p *askedProcess) printSink(w io.Writer) {
	if p.Sink == nil {
		return
	}
	t := newTable(w, "Sink", "Lane", "Owned", "Lag", "Error")
	for _, l := range p.Sink.Lanes {
		text := l.Error
		if l.Stuck && text == "" {
			text = "has not moved for a minute"
		}
		t.AppendRow(table.Row{l.Topic, l.Lane, l.Owned, known(l.Lag), text})
	}
	t.Render()
}

func known(n int64) string {
	if n < 0 {
		return "unknown"
	}
	return strconv.FormatInt(n, 10)
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

func ago(at, now time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return fmt.Sprintf("%.1f s ago", max(0, now.Sub(at).Seconds()))
}

func restored(t stream.TaskStatus) string {
	if t.ToRestore == 0 {
		return "nothing to do"
	}
	text := fmt.Sprintf("%d of %d", min(t.Restored, t.ToRestore), t.ToRestore)
	if t.Restoring {
		text += fmt.Sprintf(" (%.0f %%)", 100*float64(t.Restored)/float64(t.ToRestore))
	}
	return text
}

func bytesText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
