package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

// checkAppendTime returns an error where the records of a root stage's input
// would carry the time that their producers claim: one from the future would
// carry the arrival frontier, and every timer, away with it.
func (s *session) checkAppendTime(ctx context.Context) error {
	const key = "message.timestamp.type"
	input := s.w.stage.Input
	configs, err := s.adm.DescribeTopicConfigs(ctx, input)
	if err != nil {
		return fmt.Errorf("describing topic %s: %w", input, err)
	}
	c, err := configs.On(input, nil)
	if err = errors.Join(err, c.Err); err != nil {
		return fmt.Errorf("describing topic %s: %w", input, err)
	}
	for _, v := range c.Configs {
		if v.Key == key && v.MaybeValue() != "LogAppendTime" {
			return fmt.Errorf("topic %s has %s=%s, but its records' times must be the broker's: set it to LogAppendTime", input, key, v.MaybeValue())
		}
	}
	return nil
}

// checkPosition returns an error where the group stands outside what a
// partition of the input holds: to go on at its start would pass over records,
// or take those of another topic for the ones that follow.
func (s *session) checkPosition(o kadm.Offset, start, end int64) error {
	switch {
	case o.At < start:
		return fmt.Errorf("records %d to %d of topic %s partition %d were deleted before group %s read them: "+
			"keep records for longer; to go on without them, stop the group and reset its offsets to earliest",
			o.At, start-1, o.Topic, o.Partition, s.w.stage.Name)
	case o.At > end:
		return fmt.Errorf("group %s stands at offset %d of topic %s partition %d, which ends at %d: "+
			"the topic was created anew, or has lost records; to go on with what it holds, stop the group and reset its offsets to earliest",
			s.w.stage.Name, o.At, o.Topic, o.Partition, end)
	}
	return nil
}
