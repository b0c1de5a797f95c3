/* cel_test.c - the expression language as Kubernetes enables it: texts of errors, libraries, types, costs. */
#include "schema/cel/cel.h"
#include "test/test.h"

/* Compiles and evaluates; the result as text, or "compile: …" or "error: …". */
static str run_in(struct arena *a, struct cel_env *env, struct cel_vars *vars, const char *expr)
{
    const struct cel_program *p = NULL;
    struct err *err = cel_compile(env, str_of(expr), NULL, &p);
    struct cel_result r;
    struct json *j;
    CLEANUP(buf) struct buf b = BUF_INIT;
    str s;

    if (err) {
        s = arena_dup(a, str_of(err_text(err)));
        err_free(err);
        return s;
    }
    r = cel_eval(p, vars ? vars : cel_vars_new(a, env));
    if (!r.ok)
        return arena_fmt(a, "error: " PRI_STR, STR_ARG(r.error));
    if (cel_value_text(a, r.value, &s))
        return s;
    err = cel_to_json(a, r.value, &j);
    if (err) {
        s = arena_fmt(a, "no JSON: %s", err_text(err));
        err_free(err);
        return s;
    }
    json_encode(&b, j);
    return arena_dup(a, buf_view(&b));
}

struct row {
    const char *expr, *want;
};

static void rows(unsigned flags, const struct row *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(arena) struct arena *a = arena_new();
        struct cel_env *env = cel_env_new(flags);
        str got = run_in(a, env, NULL, r[i].expr);

        if (!str_is(got, r[i].want))
            test_fail(__FILE__, __LINE__, "%s is " PRI_STR ", want %s", r[i].expr, STR_ARG(got),
                      r[i].want);
        cel_env_free(env);
    }
}
#define ROWS(r) rows(CEL_POLICY, r, ARRAY_LEN(r))

TEST(cel, values_come_out_as_text)
{
    static const struct row r[] = {
        {"1 + 2 * 3", "7"},
        {"'a' + 'b'", "ab"},
        {"[1, 2, 3].map(x, x * 2)", "[2,4,6]"},
        {"{'a': 1}.a", "1"},
        {"true ? 'yes' : 'no'", "yes"},
        {"1.5", "1.5"},
        {"1000000.0", "1e+06"},
        {"size('h\u00e9llo')", "5"},
        {"type(1)", "int"},
        {"duration('1h30m')", "5400s"},
        {"timestamp('2020-01-01T00:00:00Z') + duration('1h')", "2020-01-01T01:00:00Z"},
        {"timestamp('2020-01-01T10:00:00+02:00').getHours()", "8"},
        {"timestamp('2020-01-01T10:00:00Z').getHours('-08:00')", "2"},
        {"[1, 2, 3].all(x, x > 0) && [1, 2].exists_one(x, x == 1)", "true"},
        {"{'a': 1, 'b': 2}.transformList(k, v, k + string(v))", "[\"a1\",\"b2\"]"},
        {"{'a': 1}.transformMap(k, v, v + 1)", "{\"a\":2}"},
        {"1u < 2 && 1 == 1u ? 1 : 2",
         "compilation failed: ERROR: <input>:1:13: found no matching overload for '_==_' applied "
         "to '(int, uint)'\n | 1u < 2 && 1 == 1u ? 1 : 2\n | ............^"},
    };

    ROWS(r);
}

TEST(cel, errors_at_evaluation_have_the_words_of_cel_go)
{
    static const struct row r[] = {
        {"1 / 0", "error: division by zero"},
        {"1 % 0", "error: modulus by zero"},
        {"9223372036854775807 + 1", "error: integer overflow"},
        {"1u - 2u", "error: unsigned integer overflow"},
        {"[1][5]", "error: index out of bounds: 5"},
        {"{'a': 1}.b", "error: no such key: b"},
        {"{'a': 1}['b']", "error: no such key: b"},
        {"dyn('a') < 1", "error: no such overload"},
        {"dyn(1) && true", "error: no such overload"},
        {"true || 1 / 0 > 0", "true"},
        {"1 / 0 > 0 || true", "true"},
        {"1 / 0 > 0 && false", "false"},
        {"int('x')", "error: type conversion error from 'string' to 'int'"},
        {"optional.none().value()", "error: optional.none() dereference"},
        {"'a'.matches('(' + 'x')", "error: error parsing regexp: missing closing ): `(x`"},
    };

    ROWS(r);
}

TEST(cel, errors_at_compilation_point_at_the_place)
{
#define PRIMARY                                                                                    \
    "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, "       \
    "STRING, BYTES, IDENTIFIER}"
    static const struct row r[] = {
        {"nosuch", "compilation failed: ERROR: <input>:1:1: undeclared reference to 'nosuch' (in "
                   "container '')\n | nosuch\n | ^"},
        {"1 +", "compilation failed: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' "
                "expecting " PRIMARY "\n | 1 +\n | ...^"},
        {"1 + +", "compilation failed: ERROR: <input>:1:5: Syntax error: mismatched input '+' "
                  "expecting " PRIMARY "\n | 1 + +\n | ....^\nERROR: <input>:1:6: Syntax error: "
                  "mismatched input '<EOF>' expecting " PRIMARY "\n | 1 + +\n | .....^"},
        {"*@a | b", "compilation failed: ERROR: <input>:1:1: Syntax error: extraneous input '*' "
                    "expecting " PRIMARY "\n | *@a | b\n | ^\nERROR: <input>:1:2: Syntax error: "
                    "token recognition error at: '@'\n | *@a | b\n | .^\nERROR: <input>:1:5: "
                    "Syntax error: token recognition error at: '| '\n | *@a | b\n | "
                    "....^\nERROR: <input>:1:7: Syntax error: extraneous input 'b' expecting "
                    "<EOF>\n | *@a | b\n | ......^"},
        {"'a'.x", "compilation failed: ERROR: <input>:1:4: type 'string' does not support field "
                  "selection\n | 'a'.x\n | ...^"},
        {"'a'.startsWith(1)",
         "compilation failed: ERROR: <input>:1:15: found no matching overload for 'startsWith' "
         "applied to 'string.(int)'\n | 'a'.startsWith(1)\n | ..............^"},
        {"foo(1)", "compilation failed: ERROR: <input>:1:4: undeclared reference to 'foo' (in "
                   "container '')\n | foo(1)\n | ...^"},
        {"[1, 'a']", "compilation failed: ERROR: <input>:1:5: expected type 'int' but found "
                     "'string'\n | [1, 'a']\n | ....^"},
        {"[1].all(x, 2)", "compilation failed: ERROR: <input>:1:12: expected type 'bool' but found "
                          "'int'\n | [1].all(x, 2)\n | ...........^"},
        {"1.all(x, true)",
         "compilation failed: ERROR: <input>:1:1: expression of type 'int' cannot be range of a "
         "comprehension (must be list, map, or dynamic)\n | 1.all(x, true)\n | ^"},
        {"[1].all(x + 1, true)", "compilation failed: ERROR: <input>:1:11: argument must be a "
                                 "simple name\n | [1].all(x + 1, true)\n | ..........^"},
        {"has(1)", "compilation failed: ERROR: <input>:1:5: invalid argument to has() macro\n | "
                   "has(1)\n | ....^"},
        {"namespace", "compilation failed: ERROR: <input>:1:1: reserved identifier: namespace\n | "
                      "namespace\n | ^"},
        {"'a'.matches('(?=x)')", "compilation failed: ERROR: <input>:1:13: invalid matches "
                                 "argument\n | 'a'.matches('(?=x)')\n | ............^"},
        {"duration('1x')", "compilation failed: ERROR: <input>:1:10: invalid duration argument\n | "
                           "duration('1x')\n | .........^"},
        {"1\n  + x", "compilation failed: ERROR: <input>:2:5: undeclared reference to 'x' (in "
                     "container '')\n |   + x\n | ....^"},
        {"{'a-b': 1}.`a-b`", "compilation failed: ERROR: <input>:1:12: unsupported syntax: '`'\n | "
                             "{'a-b': 1}.`a-b`\n | ...........^"},
        {"f(a", "compilation failed: ERROR: <input>:1:4: Syntax error: missing ')' at '<EOF>'\n | "
                "f(a\n | ...^"},
        {"self.", "compilation failed: ERROR: <input>:1:6: Syntax error: no viable alternative at "
                  "input '.'\n | self.\n | .....^"},
    };

    ROWS(r);
}

TEST(cel, strings_and_lists_have_their_functions)
{
    static const struct row r[] = {
        {"'tacocat'.charAt(3)", "o"},
        {"'tacocat'.indexOf('a', 2)", "5"},
        {"'tacocat'.lastIndexOf('c')", "4"},
        {"['a', 'b'].join('-')", "a-b"},
        {"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
        {"'hello'.replace('l', 'L', 1)", "heLlo"},
        {"'hello'.substring(1, 3)", "el"},
        {"'hello'.substring(9)", "error: index out of range: 9"},
        {"'  x '.trim() + 'aB'.upperAscii() + 'aB'.lowerAscii()", "xABab"},
        {"'%s is %d'.format([dyn('a'), 2])", "a is 2"},
        {"'%.2f'.format([1234.567])", "1,234.57"},
        {"strings.quote('a\"b')", "\"a\\\"b\""},
        {"'x'.reverse()", "compilation failed: ERROR: <input>:1:12: undeclared reference to "
                          "'reverse' (in container '')\n | 'x'.reverse()\n | ...........^"},
        {"[3, 1, 2].isSorted() || [1, 2].isSorted()", "true"},
        {"[1, 2, 3].sum()", "6"},
        {"[].sum() == 0 && [1.5, 2.5].sum() == 4.0", "true"},
        {"[duration('1h'), duration('30m')].min()", "1800s"},
        {"['a', 'c', 'b'].max()", "c"},
        {"[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)", "2"},
        {"'abc 123 def 45'.find('[0-9]+')", "123"},
        {"'abc 123 def 45'.findAll('[0-9]+')", "[\"123\",\"45\"]"},
        {"'123 45 6'.findAll('[0-9]+', 2)", "[\"123\",\"45\"]"},
        {"sets.contains([1, 2, 3], [2, 1])", "true"},
        {"sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])", "true"},
        {"[1, 2].first().value() + [1, 2].last().value()", "3"},
    };

    ROWS(r);
}

TEST(cel, kubernetes_libraries_answer)
{
    static const struct row r[] = {
        {"url('https://user:pass@example.com:80/path?query=val&a=b+c#f').getHost()",
         "example.com:80"},
        {"url('https://[::1]:8080/a b?x=1').getHostname()", "::1"},
        {"url('https://example.com/a%20b/').getEscapedPath()", "/a%20b/"},
        {"url('https://e.com/?k=a&k=b').getQuery()", "{\"k\":[\"a\",\"b\"]}"},
        {"url('https://e.com:81').getPort() + url('HTTP://e').getScheme()", "81http"},
        {"isURL('https://a:80/') && !isURL('../relative') && isURL('/abs')", "true"},
        {"url('nope')", "error: URL parse error during conversion from string: parse \"nope\": "
                        "invalid URI for request"},
        {"quantity('200M').compareTo(quantity('0.2G'))", "0"},
        {"quantity('50k').add(20) == quantity('50020')", "true"},
        {"quantity('1.5').isInteger()", "false"},
        {"quantity('9999999999999999999999999999999999999G').asInteger()",
         "error: cannot convert value to integer"},
        {"quantity('5k').asInteger() + quantity('-1').sign()", "4999"},
        {"quantity('50.7k').asApproximateFloat()", "50700"},
        {"isQuantity('1.5Mi') && !isQuantity('200K')", "true"},
        {"quantity('1').isLessThan(quantity('1500m'))", "true"},
        {"ip('192.168.0.1').family() == 4 && ip('::1').isLoopback()", "true"},
        {"isIP('1.2.3.4') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')", "true"},
        {"string(ip('2001:DB8:0:0::1'))", "2001:db8::1"},
        {"ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')", "true"},
        {"cidr('192.168.0.0/24').containsIP(ip('192.168.0.1'))", "true"},
        {"cidr('192.168.0.0/24').containsCIDR('192.168.0.0/23')", "false"},
        {"cidr('192.168.0.0/16').containsCIDR('192.168.1.0/24')", "true"},
        {"string(cidr('192.168.1.5/24').masked())", "192.168.1.0/24"},
        {"cidr('192.168.0.0/24').prefixLength() == 24 && isCIDR('::/0')", "true"},
        {"format.dns1123Label().validate('my-name').hasValue()", "false"},
        {"format.named('dns1123Label').value().validate('Bad').hasValue()", "true"},
        {"format.uuid().validate('nope').value()", "[\"does not match the UUID format\"]"},
        {"format.dns1123LabelPrefix().validate('gen-').hasValue()", "false"},
        {"format.named('nope').hasValue()", "false"},
        {"semver('1.2.3').isLessThan(semver('1.10.0'))", "true"},
        {"semver('1.2.3-rc.1').compareTo(semver('1.2.3'))", "-1"},
        {"isSemver('1.2') || isSemver('v1.2.3')", "false"},
        {"isSemver('v1.2', true) && semver('v01.2', true).major() == 1", "true"},
    };

    ROWS(r);
}

TEST(cel, patterns_are_those_of_RE2)
{
    static const struct row r[] = {
        {"'abc'.matches('^a.c$')", "true"},
        {"'a\\n'.matches('^a$')", "false"},
        {"'x1'.matches('[[:alpha:]][0-9]{1}')", "true"},
        {"'a{'.matches('a{')", "true"},
        {"'aa'.matches('(a)\\\\' + '1')",
         "error: error parsing regexp: invalid escape sequence: `\\1`"},
        {"'a'.matches('(?' + '=a)')",
         "error: error parsing regexp: invalid or unsupported Perl syntax: `(?=`"},
        {"'a'.matches('a*' + '+')",
         "error: error parsing regexp: invalid nested repetition operator: `+`"},
        {"'a'.matches('a{1001' + '}')",
         "error: error parsing regexp: invalid repeat count: `{1001}`"},
        {"'a'.matches('[a' + '')", "error: error parsing regexp: missing closing ]: `[a`"},
    };

    ROWS(r);
}

TEST(cel, a_pattern_that_backtracks_is_matched_all_the_same)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct cel_env *env = cel_env_new(CEL_POLICY);

    buf_z(&b, "'");
    for (int i = 0; i < 40; i++)
        buf_z(&b, "a");
    buf_z(&b, "b'.matches('^(a+)+$')");
    CHECK_STRZ(run_in(a, env, NULL, buf_cstr(&b)), "false");
    cel_env_free(env);
}

static struct json *parse(struct arena *a, const char *text)
{
    struct json *j = NULL;

    CHECK_OK(json_parse(a, str_of(text), NULL, NULL, &j));
    return j;
}

TEST(cel, dynamic_objects_are_read_as_json_has_them)
{
    static const struct row r[] = {
        {"object.spec.replicas <= 5", "true"},
        {"object.metadata.namespace", "ns"},
        {"has(object.spec.nothing)", "false"},
        {"has(object.nothing.at)", "error: no such key: nothing"},
        {"object.spec.template.containers.all(c, c.image.startsWith('r/'))", "true"},
        {"object.metadata.labels['app']", "web"},
        {"'app' in object.metadata.labels", "true"},
        {"object.metadata.?labels[?'x'].orValue('none')", "none"},
        {"object.spec.cpu", "0.5"},
        {"object.spec.template", "{\"containers\":[{\"image\":\"r/a\"},{\"image\":\"r/b\"}]}"},
        {"unbound.x", "error: no such attribute(s): unbound"},
        {"nothing == null", "true"},
        {"object.spec.replicas.x", "error: no such key: x"},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    unsigned object = cel_declare(env, S("object"), cel_dyn),
             nothing = cel_declare(env, S("nothing"), cel_dyn);
    struct cel_vars *vars;

    cel_declare(env, S("unbound"), cel_dyn);
    vars = cel_vars_new(a, env);
    cel_bind_json(vars, object,
                  parse(a, "{\"metadata\":{\"namespace\":\"ns\",\"labels\":{\"app\":\"web\"}},"
                           "\"spec\":{\"replicas\":3,\"cpu\":0.5,\"template\":{\"containers\":[{"
                           "\"image\":\"r/a\"},{\"image\":\"r/b\"}]}}}"));
    cel_bind_json(vars, nothing, NULL);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        CHECK_STRZ(run_in(a, env, vars, r[i].expr), r[i].want);
    cel_env_free(env);
}

TEST(cel, structural_schemas_give_types_and_names)
{
    static const struct row r[] = {
        {"self.when > timestamp('2020-01-01T00:00:00Z')", "true"},
        {"self.every == duration('90s')", "true"},
        {"self.days == duration('72h')", "true"},
        {"self.nulled == 'x'", "error: invalid data, got null for schema with nullable=false"},
        {"self.ratio", "2"},
        {"type(self.ratio)", "double"},
        {"self.__namespace__", "ns"},
        {"self.a__dot__b", "dotted"},
        {"self.port == 80 || self.port == 'http'", "true"},
        {"string(self.data)", "hi"},
        {"self.map.all(k, self.map[k] > 0)", "true"},
        {"self.list.exists(x, x.name == 'b')", "true"},
        {"self.set == ['b', 'a']", "true"},
        {"(self.set + ['c', 'a']).size()", "3"},
        {"self.nosuch", "compilation failed: ERROR: <input>:1:5: undefined field 'nosuch'\n | "
                        "self.nosuch\n | ....^"},
        {"self.count.x", "compilation failed: ERROR: <input>:1:11: type 'int' does not support "
                         "field selection\n | self.count.x\n | ..........^"},
        {"self.metadata.name", "n"},
        {"self.metadata.labels", "compilation failed: ERROR: <input>:1:14: undefined field "
                                 "'labels'\n | self.metadata.labels\n | .............^"},
        {"has(self.absent)", "false"},
        {"self.absent", "error: no such key: absent"},
    };
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_RULES);
    struct json *schema = parse(
        a,
        "{\"type\":\"object\",\"properties\":{\"when\":{\"type\":\"string\",\"format\":\"date-"
        "time\"},\"days\":{\"type\":\"string\",\"format\":\"duration\"},\"nulled\":{\"type\":"
        "\"string\"},\"every\":{\"type\":\"string\",\"format\":\"duration\"},\"ratio\":{\"type\":"
        "\"number\"},\"namespace\":{\"type\":\"string\"},\"a.b\":{\"type\":\"string\"},\"port\":{"
        "\"x-kubernetes-int-or-string\":true},\"data\":{\"type\":\"string\",\"format\":\"byte\"},"
        "\"map\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}},\"list\":{"
        "\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":"
        "\"string\"}}}},\"set\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{"
        "\"type\":\"string\"}},\"count\":{\"type\":\"integer\"},\"absent\":{\"type\":\"string\"}}"
        "}");
    unsigned self =
        cel_declare(env, S("self"), cel_type_structural(env, S("selfType"), schema, true));
    struct cel_vars *vars = cel_vars_new(a, env);

    cel_bind_json(
        vars, self,
        parse(a,
              "{\"metadata\":{\"name\":\"n\"},\"when\":\"2021-01-01T00:00:00Z\","
              "\"days\":\"3 "
              "days\",\"nulled\":null,\"every\":\"1m30s\",\"ratio\":2,\"namespace\":\"ns\",\"a.b\":"
              "\"dotted\",\"port\":80,\"data\":\"aGk=\",\"map\":{\"x\":1},\"list\":[{"
              "\"name\":\"a\"},{\"name\":\"b\"}],\"set\":[\"a\",\"b\"],\"count\":1}"));
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        CHECK_STRZ(run_in(a, env, vars, r[i].expr), r[i].want);
    cel_env_free(env);
}

TEST(cel, built_in_types_know_their_fields)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct schema_type *t = schema_find_type(S("io.k8s.api.apps.v1.Deployment"));

    cel_declare(env, S("object"), cel_type_builtin(env, t));
    CHECK_STRZ(run_in(a, env, NULL, "object.spec.foo > 1"),
               "compilation failed: ERROR: <input>:1:12: undefined field 'foo'\n | object.spec.foo "
               "> 1\n | ...........^");
    CHECK_STRZ(run_in(a, env, NULL, "object.spec.replicas > '1'"),
               "compilation failed: ERROR: <input>:1:22: found no matching overload for '_>_' "
               "applied to '(int, string)'\n | object.spec.replicas > '1'\n | "
               ".....................^");
    cel_env_free(env);
}

TEST(cel, policies_may_name_fields_like_keywords_and_rules_may_not)
{
    CLEANUP(arena) struct arena *a = arena_new();
    const struct schema_type *t = schema_find_type(S("io.k8s.api.core.v1.Pod"));
    struct cel_env *policy = cel_env_new(CEL_POLICY), *rules = cel_env_new(CEL_RULES);
    const struct cel_program *p;

    cel_declare(policy, S("object"), cel_type_builtin(policy, t));
    cel_declare(rules, S("object"), cel_type_builtin(rules, t));
    CHECK_OK(cel_compile(policy, S("object.metadata.namespace == 'a'"), cel_bool, &p));
    CHECK_OK(cel_compile(rules, S("object.metadata.__namespace__ == 'a'"), cel_bool, &p));
    CHECK_STRZ(run_in(a, rules, NULL, "object.metadata.namespace == 'a'"),
               "compilation failed: ERROR: <input>:1:16: undefined field 'namespace'\n | "
               "object.metadata.namespace == 'a'\n | ...............^");
    cel_env_free(policy);
    cel_env_free(rules);
}

TEST(cel, large_maps_are_searched_quickly)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct cel_env *env = cel_env_new(CEL_POLICY);
    unsigned object = cel_declare(env, S("object"), cel_dyn);
    struct cel_vars *vars = cel_vars_new(a, env);

    buf_z(&b, "{\"m\":{");
    for (int i = 0; i < 20000; i++)
        buf_fmt(&b, "%s\"key%d\":%d", i ? "," : "", i, i);
    buf_z(&b, "}}");
    cel_bind_json(vars, object, parse(a, buf_cstr(&b)));
    CHECK_STRZ(run_in(a, env, vars, "object.m.all(k, k in object.m)"), "true");
    CHECK_STRZ(run_in(a, env, vars, "object.m.transformMap(k, v, v + 1)['key19999']"), "20000");
    CHECK_STRZ(run_in(a, env, vars, "object.m['nokey']"), "error: no such key: nokey");
    CHECK_STRZ(run_in(a, env, vars, "object.m == object.m"), "true");
    cel_env_free(env);
}

TEST(cel, composed_variables_are_computed_once_and_when_used)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    unsigned object = cel_declare(env, S("object"), cel_dyn);
    const struct cel_program *p;
    struct cel_vars *vars;
    struct cel_result r;

    CHECK_OK(cel_compile(env, S("object.spec.size + 1"), NULL, &p));
    cel_declare_composed(env, S("more"), p);
    CHECK_OK(cel_compile(env, S("variables.more / 0"), NULL, &p));
    cel_declare_composed(env, S("bad"), p);
    CHECK_STRZ(run_in(a, env, NULL, "variables.nosuch"),
               "compilation failed: ERROR: <input>:1:10: undefined field 'nosuch'\n | "
               "variables.nosuch\n | .........^");
    vars = cel_vars_new(a, env);
    cel_bind_json(vars, object, parse(a, "{\"spec\":{\"size\":4}}"));
    CHECK_OK(cel_compile(env, S("variables.more == 5 && variables.more > 1"), cel_bool, &p));
    r = cel_eval(p, vars);
    CHECK(r.ok && cel_is_true(r.value));
    CHECK_INT(r.composed_cost, 4); /* object, spec, size, + */
    CHECK_STRZ(run_in(a, env, vars, "variables.bad"),
               "error: composited variable \"bad\" fails to evaluate: division by zero");
    cel_env_free(env);
}

TEST(cel, a_long_chain_of_variables_ends_with_an_error_instead_of_the_stack)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct cel_program *p;
    struct cel_result r;

    CHECK_OK(cel_compile(env, S("1"), NULL, &p));
    cel_declare_composed(env, S("v0"), p);
    for (int i = 1; i < 2000; i++) {
        CHECK_OK(cel_compile(env, arena_fmt(a, "variables.v%d + 1", i - 1), NULL, &p));
        cel_declare_composed(env, arena_fmt(a, "v%d", i), p);
        if (i == 100 || i == 1999) {
            r = cel_eval(p, cel_vars_new(a, env));
            CHECK(r.ok == (i == 100));
        }
    }
    cel_env_free(env);
}

static void allow_pods(void *ctx, struct arena *a, const struct cel_authz_query *q,
                       struct cel_authz_answer *ret)
{
    int *asked = ctx;

    ++*asked;
    ret->allowed = q->is_resource && str_is(q->resource, "pods") && str_is(q->verb, "get") &&
                   str_is(q->namespace, "a");
    ret->reason = arena_fmt(a, "asked for " PRI_STR, STR_ARG(q->service_account_name));
}

TEST(cel, the_authorizer_is_asked_through_the_hook)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    unsigned authorizer = cel_declare(env, S("authorizer"), cel_authorizer),
             resource = cel_declare(env, S("authorizer.requestResource"), cel_resource_check);
    struct cel_vars *vars = cel_vars_new(a, env);
    int asked = 0;
    struct cel_authz authz = {allow_pods, &asked};
    struct cel_authz_query query = {.resource = S("pods"), .namespace = S("a")};

    cel_bind_authorizer(vars, authorizer, &authz);
    cel_bind_resource_check(vars, resource, &authz, &query);
    CHECK_STRZ(
        run_in(a, env, vars,
               "authorizer.group('').resource('pods').namespace('a').check('get').allowed()"),
        "true");
    CHECK_STRZ(run_in(a, env, vars, "authorizer.path('/healthz').check('get').allowed()"), "false");
    CHECK_STRZ(run_in(a, env, vars, "authorizer.requestResource.check('get').allowed()"), "true");
    CHECK_STRZ(run_in(a, env, vars,
                      "authorizer.serviceAccount('ns', 'sa').group('').resource('x').check('get')."
                      "reason()"),
               "asked for sa");
    CHECK_STRZ(run_in(a, env, vars, "authorizer.group('').resource(' ').check('get').allowed()"),
               "error: resource must not be empty");
    CHECK_INT(asked, 4);
    cel_env_free(env);
}

TEST(cel, mutations_are_objects_and_patches)
{
    static const struct row r[] = {
        {"Object{spec: Object.spec{replicas: 3}}", "{\"spec\":{\"replicas\":3}}"},
        {"Object{metadata: Object.metadata{labels: Object.metadata.labels{a: 'b'}}}",
         "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"},
        {"Object{metadata: Object.metadata{annotations: {'x/y': 'z'}}}",
         "{\"metadata\":{\"annotations\":{\"x/y\":\"z\"}}}"},
        {"Object{spec: Object.other{}}",
         "no JSON: type mismatch: unexpected type name \"Object.other\", expected \"Object.spec\", "
         "which matches field name path from root Object type"},
        {"Object{spec: Object.spec{containers: [Object.spec.containers{name: 'a'}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"a\"}]}}"},
        {"Object{?spec: optional.none()}", "{}"},
        {"[JSONPatch{op: 'add', path: '/spec/' + jsonpatch.escapeKey('a/b'), value: 1}]",
         "[{\"op\":\"add\",\"path\":\"/spec/a~1b\",\"value\":1}]"},
        {"JSONPatch{op: 'add', nope: 1}",
         "compilation failed: ERROR: <input>:1:26: undefined field 'nope'\n | JSONPatch{op: 'add', "
         "nope: 1}\n | .........................^"},
    };
    const struct cel_program *p;
    struct cel_env *env = cel_env_new(CEL_MUTATION);

    rows(CEL_MUTATION, r, ARRAY_LEN(r));
    CHECK_OK(cel_compile(env, S("Object{}"), cel_mutation_object, &p));
    CHECK_OK(cel_compile(env, S("[JSONPatch{op: 'remove', path: '/a'}]"),
                         cel_list_of(env, cel_json_patch), &p));
    cel_env_free(env);
}

TEST(cel, the_wanted_type_is_asked_for)
{
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct cel_program *p;
    struct err *err = cel_compile(env, S("1 + 1"), cel_bool, &p);

    CHECK_STRZ(str_of(err_text(err)), "must evaluate to bool");
    err_free(err);
    cel_env_free(env);
}

TEST(cel, evaluation_ends_at_the_cost_limit)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_POLICY);
    const struct cel_program *p;
    struct cel_vars *vars = cel_vars_new(a, env);
    struct cel_result r;

    CHECK_OK(
        cel_compile(env, S("[1,2,3].all(x, [1,2,3].all(y, [1,2,3].all(z, z > 0)))"), NULL, &p));
    r = cel_eval(p, vars);
    CHECK(r.ok && r.cost > 100);
    cel_vars_limit(vars, 50);
    r = cel_eval(p, vars);
    CHECK(!r.ok && r.out_of_cost);
    CHECK_STRZ(r.error, "operation cancelled: actual cost limit exceeded");
    CHECK_OK(cel_compile(env, S("true || [1,2,3].all(x, [1,2,3].all(y, y > 0))"), NULL, &p));
    CHECK(cel_eval(p, vars).ok);
    CHECK_OK(cel_compile(env, S("[1,2,3].all(x, [1,2,3].all(y, y > 0)) || true"), NULL, &p));
    CHECK(!cel_eval(p, vars).ok); /* nothing hides that error */
    cel_env_free(env);
}

/* Expected numbers are those of Kubernetes' own tests (library/cost_test.go). */
TEST(cel, costs_are_estimated_as_in_kubernetes)
{
    static const struct {
        const char *expr;
        uint64_t min, max;
    } r[] = {
        {"[1, 2, 3, 4, 5].sum()", 15, 15},
        {"[uint(1), uint(2), uint(3), uint(4), uint(5)].sum()", 20, 20},
        {"[1, 2, 3, 4, 5].indexOf(3)", 15, 15},
        {"'01234567890123456789012345678901234567890123456789'.indexOf('123')", 5, 5},
        {"url('https:://kubernetes.io/').getHost()", 4, 4},
        {"ip('192.168.0.1')", 2, 2},
        {"ip('2001:db8:3333:4444:5555:6666:7777:8888').family()", 5, 5},
        {"ip.isCanonical('192.168.0.1')", 3, 3},
        {"cidr('192.168.0.0/16').containsCIDR('192.0.0.0/30')", 7, 11},
        {"cidr('192.168.0.0/16').containsIP(ip('192.169.0.1'))", 5, 8},
        {"'ABCDEFGHIJ abcdefghij'.lowerAscii()", 3, 3},
        {"'ABCDEFGHIJ abcdefghij'.lowerAscii() == 'abcdefghij ABCDEFGHIJ'.lowerAscii()", 7, 9},
        {"strings.quote('ABCDEFGHIJ abcdefghij') == strings.quote('ABCDEFGHIJ abcdefghij')", 7, 11},
        {"'abc 123 def 123'.replace('123', '456')", 3, 3},
        {"'abc 123 def 123'.split(' ', 1)", 3, 3},
        {"'abc 123 def 123'.substring(5, 8)", 2, 2},
        {"'  abc 123 def 123  '.trim()", 2, 2},
        {"'abc 123 def 123'.findAll('123', 1)", 2, 2},
        {"quantity('12Mi')", 1, 1},
        {"quantity('50k').add(20).sub(quantity('100k')).sub(-50000).asInteger() > 0", 7, 7},
        {"quantity('200M').compareTo(quantity('0.2G')) > 0", 4, 4},
        {"sets.contains([], [])", 21, 21},
        {"sets.contains([1, 2, 3, 4], [2, 3])", 29, 29},
        {"sets.contains([[1], [2, 3]], [[2, 3]])", 53, 53},
        {"sets.equivalent([1, 2, 3], [3, 2, 1])", 39, 39},
        {"!sets.intersects([1], [2])", 23, 23},
        {"authorizer.path('/healthz')", 2, 2},
        {"authorizer.group('apps').resource('deployments').subresource('status').namespace('test')."
         "name('backend').check('create').allowed()",
         350007, 350007},
        {"[1, 2, 3].all(x, x > 0)", 20,
         26}, /* list 10, 3 × (condition 2, && 1 to 3), accumulator 1 */
    };
    struct cel_env *env = cel_env_new(CEL_POLICY);

    cel_declare(env, S("authorizer"), cel_authorizer);

    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        const struct cel_program *p = NULL;

        CHECK_OK(cel_compile(env, str_of(r[i].expr), NULL, &p));
        if (!p)
            continue;
        if (cel_program_cost(p).min != r[i].min || cel_program_cost(p).max != r[i].max)
            test_fail(__FILE__, __LINE__, "%s costs %llu to %llu, want %llu to %llu", r[i].expr,
                      (unsigned long long)cel_program_cost(p).min,
                      (unsigned long long)cel_program_cost(p).max, (unsigned long long)r[i].min,
                      (unsigned long long)r[i].max);
    }
    cel_env_free(env);
}

TEST(cel, bounds_of_schemas_bound_costs)
{
    CLEANUP(arena) struct arena *a = arena_new();
    struct cel_env *env = cel_env_new(CEL_RULES);
    struct json *bounded = parse(a, "{\"type\":\"array\",\"maxItems\":10,\"items\":{\"type\":"
                                    "\"string\",\"maxLength\":5}}"),
                *open = parse(a, "{\"type\":\"array\",\"items\":{\"type\":\"array\",\"items\":{"
                                 "\"type\":\"string\"}}}");
    const struct cel_program *p;

    cel_declare(env, S("self"), cel_type_structural(env, S("t"), bounded, false));
    CHECK_OK(cel_compile(env, S("self.all(x, x == 'abc')"), cel_bool, &p));
    CHECK(cel_program_cost(p).max < 100);
    CHECK(!cel_program_uses(p, 5));
    CHECK(cel_program_uses(p, 0));
    cel_declare(env, S("self"), cel_type_structural(env, S("t"), open, false));
    CHECK_OK(
        cel_compile(env, S("self.all(x, x.all(y, self.all(z, z.all(w, w != y))))"), cel_bool, &p));
    CHECK(cel_program_cost(p).max > UINT64_C(1000000000));
    cel_env_free(env);
}

TEST(cel, names_of_properties_are_escaped_and_back)
{
    static const struct row r[] = {{"namespace", "__namespace__"},
                                   {"a.b", "a__dot__b"},
                                   {"a-b/c", "a__dash__b__slash__c"},
                                   {"x__y", "x__underscores__y"},
                                   {"plain", "plain"}};
    CLEANUP(arena) struct arena *a = arena_new();
    str s;

    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        CHECK(cel_escape(a, str_of(r[i].expr), &s));
        CHECK_STRZ(s, r[i].want);
        CHECK(cel_unescape(a, s, &s));
        CHECK_STRZ(s, r[i].expr);
    }
    CHECK(!cel_escape(a, S("a b"), &s));
}

TEST(cel, expressions_have_limits)
{
    CLEANUP(arena) struct arena *a = arena_new();
    CLEANUP(buf) struct buf b = BUF_INIT;
    struct cel_env *env = cel_env_new(CEL_POLICY);

    for (int i = 0; i < 300; i++)
        buf_char(&b, '(');
    CHECK_STRZ(run_in(a, env, NULL, buf_cstr(&b)),
               "compilation failed: ERROR: <input>:-1:0: expression recursion limit exceeded: 250");
    buf_clear(&b);
    for (int i = 0; i < 100001; i++)
        buf_char(&b, ' ');
    CHECK_STRZ(run_in(a, env, NULL, buf_cstr(&b)),
               "compilation failed: ERROR: <input>:-1:0: expression code point size exceeds limit: "
               "size: 100001, limit 100000");
    buf_clear(&b);
    for (int i = 0; i < 300; i++)
        buf_z(&b, "1+");
    buf_z(&b, "1");
    CHECK_STRZ(run_in(a, env, NULL, buf_cstr(&b)),
               "compilation failed: ERROR: <input>:-1:0: max recursion depth exceeded");
    cel_env_free(env);
}

TEST_MAIN
