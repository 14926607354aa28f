// Prints src/api/kinds/schema/kubernetes-fields.ts without its head: the fields of the kinds that Trunkline looks into, as
// Kubernetes' own Go types have them. In a module that requires k8s.io/api: go run ./fields
package main

import (
	"fmt"
	"reflect"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	net "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var roots = []any{
	core.Namespace{}, core.Node{}, core.Pod{}, core.ConfigMap{}, core.ReplicationController{},
	apps.ReplicaSet{}, apps.Deployment{}, apps.StatefulSet{}, apps.DaemonSet{}, batch.Job{}, batch.CronJob{},
	net.NetworkPolicy{},
}

var special = map[reflect.Type]string{
	reflect.TypeOf(meta.Time{}):          "time",
	reflect.TypeOf(meta.MicroTime{}):     "time",
	reflect.TypeOf(intstr.IntOrString{}): "port",
	reflect.TypeOf(resource.Quantity{}):  "quantity",
	reflect.TypeOf(meta.FieldsV1{}):      "any",
}
var queue []reflect.Type
var seen = map[reflect.Type]bool{}

func name(t reflect.Type) string {
	if s, ok := special[t]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return name(t.Elem())
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "bool"
	case reflect.Int32:
		return "int32"
	case reflect.Int64:
		return "int64"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "[]" + name(t.Elem())
	case reflect.Map:
		return "{}" + name(t.Elem())
	case reflect.Struct:
		if !seen[t] {
			seen[t] = true
			queue = append(queue, t)
		}
		return t.Name()
	}
	panic(t.String())
}

func fields(t reflect.Type, out *[]string) {
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		tag := strings.Split(f.Tag.Get("json"), ",")
		if f.Anonymous && tag[0] == "" {
			fields(f.Type, out)
			continue
		}
		if tag[0] == "-" || tag[0] == "" {
			continue
		}
		mark := ""
		if f.Type.Kind() == reflect.Pointer {
			mark = "*"
		} else if !strings.Contains(f.Tag.Get("json"), "omitempty") {
			mark = "!"
		}
		*out = append(*out, tag[0]+mark+":"+name(f.Type))
	}
}

func main() {
	for _, r := range roots {
		name(reflect.TypeOf(r))
	}
	for i := 0; i < len(queue); i++ {
		out := []string{}
		fields(queue[i], &out)
		fmt.Println(queue[i].Name() + " " + strings.Join(out, " "))
	}
}
