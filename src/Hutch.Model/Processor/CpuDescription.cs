using System;
using System.Text.Json;

namespace Hutch.Model.Processor;

/// <summary>A CPU written down: what <c>hutch cpu describe</c> prints and <c>hutch cpu baseline</c> compares.</summary>
/// <param name="Name">Model or host that it describes.</param>
/// <param name="Identity">Vendor, signature, brand.</param>
/// <param name="Features">Features that it has.</param>
/// <param name="OnRequest">Features that an engine gives besides when they are asked for.</param>
public sealed record CpuDescription(string Name, CpuIdentity Identity, FeatureSet Features, FeatureSet OnRequest)
{
    /// <summary>Everything that it has or can have.</summary>
    public FeatureSet Possible => Features.Union(OnRequest);

    /// <summary>Describes what an engine can give.</summary>
    public static CpuDescription Of(CpuOffer offer)
    {
        FeatureSet given = offer.Unasked.Except(ModelRules.NeverGiven);
        return new CpuDescription(CpuModelCatalog.Host, offer.Identity, given, offer.Features.Except(ModelRules.NeverGiven).Except(given));
    }

    /// <summary>Describes a model as guests get it.</summary>
    public static CpuDescription Of(CpuModelDefinition model) =>
        new(model.Name, model.Identity, model.Features.Except(ModelRules.NeverGiven), FeatureSet.Empty);

    /// <summary>Writes the members into the object that is open; with the names that Linux has for the features, and their bits.</summary>
    public void WriteMembers(Utf8JsonWriter json)
    {
        json.WriteString("name", Name);
        Identity.WriteMembers(json);
        json.WriteFeatures("features", Features);
        json.WriteFeatures("onRequest", OnRequest);
        // For other programs; reading a description back goes by the names alone.
        json.WriteStartArray("flags");
        foreach (CpuFeature feature in Features.Features)
            if (FeatureNames.FlagOf(feature) is string flag) json.WriteStringValue(flag);
        json.WriteEndArray();
        json.WriteStartObject("cpuid");
        for (int i = 0; i < FeatureWords.All.Length; i++)
            if (Features.Word(i) != 0) json.WriteString(FeatureWords.All[i].ToString(), $"0x{Features.Word(i):x8}");
        json.WriteEndObject();
    }

    /// <summary>Reads a description. Throws <see cref="FormatException"/> with the reason.</summary>
    public static CpuDescription Read(JsonElement json)
    {
        try
        {
            FeatureSet onRequest = json.TryGetProperty("onRequest", out _) ? CpuJson.ReadFeatures(json, "onRequest") : FeatureSet.Empty;
            return new CpuDescription(json.GetProperty("name").GetString()!, CpuJson.ReadIdentity(json), CpuJson.ReadFeatures(json, "features"), onRequest);
        }
        catch (Exception e) when (e is InvalidOperationException or System.Collections.Generic.KeyNotFoundException)
        {
            throw new FormatException("it is not what 'hutch cpu describe' writes", e);
        }
    }
}
