package main

import (
	"bytes"
	"encoding/json"
	"sort"
	"strconv"
)

// Values gives each JSON value a small number, so that states are small and compare fast. 0 is null.
type Values struct {
	numbers map[string]int32
	texts   []string
	sets    map[int32]string
	initial int32
}

// never is not a set: what a read of the same element twice would see.
const never = "\xff"

func newValues() *Values {
	values := &Values{numbers: map[string]int32{}, sets: map[int32]string{}}
	values.of(json.RawMessage("null"))
	return values
}

// of gives the number of a value; a missing one is null.
func (values *Values) of(raw json.RawMessage) int32 {
	text := canonical(raw)
	if number, ok := values.numbers[text]; ok {
		return number
	}
	number := int32(len(values.texts))
	values.numbers[text] = number
	values.texts = append(values.texts, text)
	return number
}

func canonical(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "null"
	}
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return string(raw)
	}
	return out.String()
}

func (values *Values) json(number int32) string { return values.texts[number] }

// text is a string's content; other values take a form that no string has.
func (values *Values) text(number int32) string {
	var text string
	if number == 0 {
		return ""
	}
	if json.Unmarshal([]byte(values.texts[number]), &text) == nil {
		return text
	}
	return "\x00" + values.texts[number]
}

// number is an integer; null is 0.
func (values *Values) number(number int32) int64 {
	found, _ := strconv.ParseInt(values.texts[number], 10, 64)
	return found
}

// learn takes a list apart, for set.
func (values *Values) learn(number int32) bool {
	if _, known := values.sets[number]; known {
		return true
	}
	var items []json.RawMessage
	if json.Unmarshal([]byte(values.texts[number]), &items) != nil {
		return false
	}
	elements := make([]int32, len(items))
	for at, item := range items {
		elements[at] = values.of(item)
	}
	sort.Slice(elements, func(i, j int) bool { return elements[i] < elements[j] })
	set := ""
	for at, one := range elements {
		if at > 0 && one == elements[at-1] {
			values.sets[number] = never
			return true
		}
		set = insert(set, len(set), one)
	}
	values.sets[number] = set
	return true
}

func (values *Values) set(number int32) string { return values.sets[number] }
