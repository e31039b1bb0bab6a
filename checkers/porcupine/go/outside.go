package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// arg is an input or output of the caller's: a number for it, and the whole operation's description.
type arg struct {
	number int64
	part   int
	told   string
}

// outsideModel is the caller's model; its states are the caller's numbers, 0 the initial one.
func outsideModel(outside *callbacks, g *guard) porcupine.Model {
	model := porcupine.Model{
		Init: func() interface{} { return int64(0) },
		Step: func(state, input, output interface{}) (bool, interface{}) {
			next := outside.step(state.(int64), input.(arg).number, output.(arg).number)
			if next == -2 {
				g.raise("callback")
			}
			return next >= 0, next
		},
		DescribeOperation: func(input, output interface{}) string {
			if told := output.(arg).told; told != "" {
				return told
			}
			return input.(arg).told
		},
		Partition:      partition,
		PartitionEvent: partitionEvents,
	}
	if outside.equal != nil {
		model.Equal = func(one, other interface{}) bool { return outside.equal(one.(int64), other.(int64)) }
	}
	if outside.describe != nil {
		model.DescribeState = func(state interface{}) string { return outside.describe(state.(int64)) }
	}
	return model
}

func partition(history []porcupine.Operation) [][]porcupine.Operation {
	var parts [][]porcupine.Operation
	for _, one := range history {
		at := one.Input.(arg).part
		for len(parts) <= at {
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], one)
	}
	return parts
}

func partitionEvents(history []porcupine.Event) [][]porcupine.Event {
	var parts [][]porcupine.Event
	for _, one := range history {
		at := one.Value.(arg).part
		for len(parts) <= at {
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], one)
	}
	return parts
}

func metadata(text string) interface{} {
	if text == "" {
		return nil
	}
	return text
}

// check runs Porcupine with the caller's model.
func check(asked *Request, outside *callbacks) (map[string]any, error) {
	if outside == nil {
		return nil, fmt.Errorf("a check needs the caller's model")
	}
	g := watch(asked.MemoryBytes)
	model := g.over(outsideModel(outside, g))
	timeout := seconds(asked.TimeoutS)
	if asked.TimeoutS <= 0 {
		timeout = 0
	}
	var result porcupine.CheckResult
	var info porcupine.LinearizationInfo
	switch {
	case asked.Events && asked.Verbose:
		result, info = porcupine.CheckEventsVerbose(model, eventsOf(asked.Items), timeout)
	case asked.Events:
		result = porcupine.CheckEventsTimeout(model, eventsOf(asked.Items), timeout)
	case asked.Verbose:
		result, info = porcupine.CheckOperationsVerbose(model, operationsOf(asked.Items), timeout)
	default:
		result = porcupine.CheckOperationsTimeout(model, operationsOf(asked.Items), timeout)
	}
	out := map[string]any{}
	if reason := g.end(); reason != "" {
		result, out["reason"] = porcupine.Unknown, reason
	}
	out["result"] = string(result)
	if asked.Verbose {
		out["info"] = infos.keep(&info)
		out["partial"] = info.PartialLinearizations()
	}
	return out, nil
}

func operationsOf(items []Item) []porcupine.Operation {
	history := make([]porcupine.Operation, len(items))
	for at, item := range items {
		history[at] = porcupine.Operation{
			ClientId: item.Client,
			Input:    arg{item.Input, item.Part, item.Told},
			Call:     item.Call,
			Output:   arg{item.Output, item.Part, item.Told},
			Return:   item.Return,
			Metadata: metadata(item.Metadata),
		}
	}
	return history
}

func eventsOf(items []Item) []porcupine.Event {
	history := make([]porcupine.Event, len(items))
	for at, item := range items {
		kind := porcupine.CallEvent
		if item.Kind == "return" {
			kind = porcupine.ReturnEvent
		}
		history[at] = porcupine.Event{
			ClientId: item.Client,
			Kind:     kind,
			Value:    arg{item.Input, item.Part, item.Told},
			Id:       item.Id,
			Metadata: metadata(item.Metadata),
		}
	}
	return history
}

// visualize writes Porcupine's own page of what a verbose check found.
func visualize(asked *Request, outside *callbacks) (map[string]any, error) {
	kept := infos.get(asked.Info)
	if kept == nil || outside == nil {
		return nil, fmt.Errorf("what the check found was released already")
	}
	info := *kept
	annotations := make([]porcupine.Annotation, len(asked.Annotations))
	for at, one := range asked.Annotations {
		annotations[at] = porcupine.Annotation{
			ClientId: one.Client, Tag: one.Tag, Start: one.Start, End: one.End, Description: one.Description,
			Details: one.Details, TextColor: one.TextColor, BackgroundColor: one.BackgroundColor,
		}
	}
	info.AddAnnotations(annotations)
	g := watch(0)
	defer g.end()
	return map[string]any{}, porcupine.VisualizePath(outsideModel(outside, g), info, asked.Html)
}
