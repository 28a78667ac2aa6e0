using System;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hutch.Model.Domains;

/// <summary>Definitions as JSON, losslessly: what is read is what was written. What is null is not written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, WriteIndented = true)]
[JsonSerializable(typeof(DomainDefinition))]
[JsonSerializable(typeof(DomainDevice))]
public sealed partial class DomainJson : JsonSerializerContext
{
    /// <summary>Whether two definitions say the same.</summary>
    public static bool AreSame(DomainDefinition a, DomainDefinition b) =>
        ReferenceEquals(a, b) || JsonSerializer.SerializeToUtf8Bytes(a, Default.DomainDefinition).AsSpan().SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(b, Default.DomainDefinition));

    /// <summary>Whether two devices say the same.</summary>
    public static bool AreSame(DomainDevice a, DomainDevice b) =>
        ReferenceEquals(a, b) || JsonSerializer.SerializeToUtf8Bytes(a, Default.DomainDevice).AsSpan().SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(b, Default.DomainDevice));
}
