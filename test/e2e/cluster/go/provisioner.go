// Gives each claim of its StorageClass a folder of the node as a volume of kind `local`, grows it on paper, and
// removes the folder when the claim has gone: what a storage driver does, for a cluster of one node.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

const (
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
)

type provisioner struct {
	client    kubernetes.Interface
	name      string
	class     string
	directory string
	informers informers.SharedInformerFactory
	queue     workqueue.TypedRateLimitingInterface[string]
}

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of a kubeconfig")
	name := flag.String("name", "", "the provisioner that the StorageClass names")
	class := flag.String("class", "", "the StorageClass")
	directory := flag.String("directory", "", "where the volumes are made")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		log.Fatal(err)
	}
	config.UserAgent = "test-cluster-provisioner"
	client := kubernetes.NewForConfigOrDie(config)
	p := &provisioner{
		client: client, name: *name, class: *class, directory: *directory,
		informers: informers.NewSharedInformerFactory(client, 0),
		queue:     workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	p.run(context.Background())
}

// One queue of names serves both kinds: `pvc/NAMESPACE/NAME` and `pv/NAME`.
func (p *provisioner) run(ctx context.Context) {
	p.enqueue(p.informers.Core().V1().PersistentVolumeClaims().Informer(), "pvc/")
	p.enqueue(p.informers.Core().V1().PersistentVolumes().Informer(), "pv/")
	p.informers.Start(ctx.Done())
	p.informers.WaitForCacheSync(ctx.Done())
	for {
		key, _ := p.queue.Get()
		if err := p.sync(ctx, key); err != nil {
			log.Printf("%s: %v", key, err)
			p.queue.AddRateLimited(key)
		} else {
			p.queue.Forget(key)
		}
		p.queue.Done(key)
	}
}

func (p *provisioner) enqueue(informer cache.SharedIndexInformer, prefix string) {
	add := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			p.queue.Add(prefix + key)
		}
	}
	_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
	})
}

func (p *provisioner) sync(ctx context.Context, key string) error {
	if name, isVolume := strings.CutPrefix(key, "pv/"); isVolume {
		volume, err := p.informers.Core().V1().PersistentVolumes().Lister().Get(name)
		if err != nil || volume.Annotations[provisionedBy] != p.name {
			return ignoreNotFound(err)
		}
		return p.release(ctx, volume)
	}
	name, _ := strings.CutPrefix(key, "pvc/")
	namespace, base := filepath.Split(name)
	claims := p.informers.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(filepath.Clean(namespace))
	claim, err := claims.Get(base)
	if err != nil || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != p.class {
		return ignoreNotFound(err)
	}
	if claim.Spec.VolumeName == "" {
		return p.provision(ctx, claim)
	}
	return p.grow(ctx, claim)
}

func (p *provisioner) provision(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	node := claim.Annotations[selectedNode]
	if node == "" || claim.DeletionTimestamp != nil {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	directory := filepath.Join(p.directory, name)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: p.name}},
		Spec: v1.PersistentVolumeSpec{
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			StorageClassName:              p.class,
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: directory}},
			NodeAffinity:                  &v1.VolumeNodeAffinity{Required: onNode(node)},
			ClaimRef: &v1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// The folder has no limit of its own, so a volume grows by saying so: first the volume, then the claim.
func (p *provisioner) grow(ctx context.Context, claim *v1.PersistentVolumeClaim) error {
	wanted := claim.Spec.Resources.Requests[v1.ResourceStorage]
	has, bound := claim.Status.Capacity[v1.ResourceStorage]
	if !bound || wanted.Cmp(has) <= 0 {
		return nil
	}
	volume, err := p.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil || volume.Annotations[provisionedBy] != p.name {
		return err
	}
	volume.Spec.Capacity = v1.ResourceList{v1.ResourceStorage: wanted}
	if _, err := p.client.CoreV1().PersistentVolumes().Update(ctx, volume, metav1.UpdateOptions{}); err != nil {
		return err
	}
	grown := claim.DeepCopy()
	grown.Status.Capacity = v1.ResourceList{v1.ResourceStorage: wanted}
	grown.Status.Conditions = nil
	_, err = p.client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, grown, metav1.UpdateOptions{})
	return err
}

func (p *provisioner) release(ctx context.Context, volume *v1.PersistentVolume) error {
	released := volume.Status.Phase == v1.VolumeReleased || volume.Status.Phase == v1.VolumeFailed
	if !released || volume.Spec.PersistentVolumeReclaimPolicy != v1.PersistentVolumeReclaimDelete {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(p.directory, volume.Name)); err != nil {
		return err
	}
	return ignoreNotFound(p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{}))
}

func onNode(name string) *v1.NodeSelector {
	here := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{name}}
	return &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{here}}}}
}

func ignoreNotFound(err error) error {
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}
