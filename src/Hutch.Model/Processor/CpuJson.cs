using System;
using System.Text.Json;

namespace Hutch.Model.Processor;

/// <summary>CPU descriptions as JSON. Features are arrays of names.</summary>
internal static class CpuJson
{
    /// <summary>Writes vendor, family, model, stepping and modelId into the object that is open.</summary>
    public static void WriteMembers(this CpuIdentity identity, Utf8JsonWriter json)
    {
        json.WriteString("vendor", identity.Vendor.Text());
        json.WriteNumber("family", identity.Family);
        json.WriteNumber("model", identity.Model);
        json.WriteNumber("stepping", identity.Stepping);
        json.WriteString("modelId", identity.ModelId);
    }

    /// <summary>Writes an array of names.</summary>
    public static void WriteFeatures(this Utf8JsonWriter json, string name, FeatureSet features)
    {
        json.WriteStartArray(name);
        foreach (CpuFeature feature in features.Features) json.WriteStringValue(FeatureNames.NameOf(feature));
        json.WriteEndArray();
    }

    /// <summary>Reads what <see cref="WriteMembers"/> wrote.</summary>
    public static CpuIdentity ReadIdentity(JsonElement json) => new(
        CpuVendors.Parse(json.GetProperty("vendor").GetString()!), Number(json, "family"), Number(json, "model"), Number(json, "stepping"), json.GetProperty("modelId").GetString()!);

    /// <summary>Reads an array of names. Throws <see cref="FormatException"/> for an unknown one.</summary>
    public static FeatureSet ReadFeatures(JsonElement json, string name)
    {
        FeatureSet features = FeatureSet.Empty;
        foreach (JsonElement element in json.GetProperty(name).EnumerateArray())
        {
            string text = element.GetString() ?? "";
            features = features.Union(FeatureSet.Of(FeatureNames.Find(text) ?? throw new FormatException($"'{text}' is no CPU feature.")));
        }
        return features;
    }

    private static int Number(JsonElement json, string name) => json.GetProperty(name).TryGetInt32(out int number) && number is >= 0 and < 512 ? number : throw new FormatException($"'{name}' is out of range.");
}
