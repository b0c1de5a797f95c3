/* functions.h - implementations of functions, by where they are. args[] are values, none of them an error. */
#ifndef K1S_SCHEMA_CEL_FUNCTIONS_H
#define K1S_SCHEMA_CEL_FUNCTIONS_H
#include "schema/cel/cel_internal.h"

cel_fn_impl cel_fn_add, cel_fn_ascii_case, cel_fn_authz_check, cel_fn_authz_group,
    cel_fn_authz_path, cel_fn_authz_refine, cel_fn_authz_resource, cel_fn_authz_service_account,
    cel_fn_char_at, cel_fn_cidr, cel_fn_cidr_masked, cel_fn_cidr_prefix_length, cel_fn_compare_to,
    cel_fn_contains, cel_fn_contains_cidr, cel_fn_contains_ip, cel_fn_decision_part, cel_fn_divide,
    cel_fn_ends_with, cel_fn_equal, cel_fn_find, cel_fn_find_all, cel_fn_format,
    cel_fn_format_constant, cel_fn_format_named, cel_fn_format_validate, cel_fn_in, cel_fn_index,
    cel_fn_index_of, cel_fn_index_optional, cel_fn_ip, cel_fn_ip_is_canonical, cel_fn_ip_part,
    cel_fn_is_cidr, cel_fn_is_ip, cel_fn_is_quantity, cel_fn_is_semver, cel_fn_is_sorted,
    cel_fn_is_url, cel_fn_join, cel_fn_json_patch_escape, cel_fn_list_end, cel_fn_logic,
    cel_fn_map_insert, cel_fn_matches, cel_fn_min_max, cel_fn_modulo, cel_fn_multiply,
    cel_fn_negate, cel_fn_not, cel_fn_optional_has_value, cel_fn_optional_non_zero,
    cel_fn_optional_none, cel_fn_optional_of, cel_fn_optional_or, cel_fn_optional_unwrap,
    cel_fn_optional_value, cel_fn_order, cel_fn_quantity, cel_fn_quantity_add,
    cel_fn_quantity_float, cel_fn_quantity_integer, cel_fn_quantity_is_integer,
    cel_fn_quantity_sign, cel_fn_quote, cel_fn_replace, cel_fn_reverse, cel_fn_semver,
    cel_fn_semver_part, cel_fn_sets_contains, cel_fn_sets_equivalent, cel_fn_sets_intersects,
    cel_fn_size, cel_fn_split, cel_fn_starts_with, cel_fn_substring, cel_fn_subtract, cel_fn_sum,
    cel_fn_time_part, cel_fn_to_bool, cel_fn_to_bytes, cel_fn_to_double, cel_fn_to_duration,
    cel_fn_to_dyn, cel_fn_to_int, cel_fn_to_string, cel_fn_to_timestamp, cel_fn_to_uint,
    cel_fn_trim, cel_fn_type, cel_fn_url, cel_fn_url_part, cel_fn_url_query;

#endif
