/* tables_test.c - the generated tables say what the API says. */
#include "schema/schema.h"
#include "schema/schema_internal.h"
#include "test/test.h"

TEST(schema_tables, a_type_is_found_by_its_openapi_name)
{
    const struct schema_type *t = schema_find_type(S("io.k8s.api.apps.v1.DeploymentSpec"));
    const struct schema_field *f;

    CHECK(t && t->kind == SCHEMA_STRUCT);
    CHECK(!schema_find_type(S("io.k8s.api.apps.v1.Nonsense")));
    f = schema_find_field(t, S("replicas"));
    CHECK(f && f->proto == 1 && f->type->kind == SCHEMA_INT32 && (f->flags & FIELD_POINTER));
    CHECK(!schema_find_field(t, S("replica")));
    f = schema_find_field(t, S("strategy"));
    CHECK(f && (f->flags & FIELD_PATCH_REPLACE_KEYS));
}

TEST(schema_tables, members_of_inlined_structs_are_fields_of_the_outer_one)
{
    const struct schema_type *t = schema_find_type(S("io.k8s.api.core.v1.Volume"));
    const struct schema_field *f = schema_find_field(t, S("emptyDir"));

    CHECK(f && f->proto == 2);
    f = schema_find_field(
        schema_find_type(S("io.k8s.api.admissionregistration.v1.NamedRuleWithOperations")),
        S("apiGroups"));
    CHECK(f && f->proto == 1);
}

TEST(schema_tables, every_field_finds_itself)
{
    for (size_t i = 0; i < schema_n_types; i++) {
        const struct schema_type *t = &schema_types[i];

        CHECK(schema_find_type(t->name) == t);
        for (uint32_t k = 0; k < t->n_fields; k++)
            if (t->fields[k].name.n)
                CHECK(schema_find_field(t, t->fields[k].name) == &t->fields[k]);
    }
}

TEST(schema_tables, lists_know_their_keys)
{
    const struct schema_field *f =
        schema_find_field(schema_find_type(S("io.k8s.api.core.v1.Container")), S("ports"));

    CHECK_INT(f->list_type, SCHEMA_LIST_MAP);
    CHECK_STR(schema_more(f)->list_keys, S("containerPort\0protocol"));
    CHECK_STR(schema_more(f)->merge_key, S("containerPort"));
}

TEST(schema_tables, resources_are_found_by_plural_and_by_kind)
{
    const struct resource *r = schema_find_resource(S("apps"), S("v1"), S("deployments"));

    CHECK(r && r->namespaced && r->verbs == VERBS_ALL && r->n_subresources == 2);
    CHECK_STR(r->kind, S("Deployment"));
    CHECK_STR(r->list_kind, S("DeploymentList"));
    CHECK_STR(r->storage_resource, S("deployments.apps"));
    CHECK_STR(r->short_names[0], S("deploy"));
    CHECK(schema_find_kind(S("apps"), S("v1"), S("Deployment")) == r);
    CHECK(schema_find_storage(r) == r);
    CHECK(r->type == schema_find_gvk(S("apps"), S("v1"), S("Deployment")));
    CHECK(!schema_find_kind(S(""), S("v1"), S("Status")));
    CHECK(schema_find_gvk(S(""), S("v1"), S("Status")) != NULL);
    CHECK(schema_find_gvk(S("apps"), S("v1"), S("DeleteOptions")) != NULL);
}

TEST(schema_tables, two_versions_of_a_kind_are_stored_as_one)
{
    const struct resource *v1 =
        schema_find_resource(S("autoscaling"), S("v1"), S("horizontalpodautoscalers"));
    const struct resource *event = schema_find_resource(S("events.k8s.io"), S("v1"), S("events"));

    CHECK(schema_find_storage(v1) ==
          schema_find_resource(S("autoscaling"), S("v2"), S("horizontalpodautoscalers")));
    CHECK(schema_find_storage(event) == schema_find_resource(S(""), S("v1"), S("events")));
}

TEST(schema_tables, messages_of_other_programs_are_known)
{
    const struct schema_type *t = schema_find_message(S("runtime.v1.RunPodSandboxRequest"));

    CHECK(t && t->proto3);
    CHECK(schema_find_message(S("etcdserverpb.TxnRequest")) != NULL);
    CHECK(!schema_find_message(S("io.k8s.api.core.v1.Pod")));
}

TEST_MAIN
