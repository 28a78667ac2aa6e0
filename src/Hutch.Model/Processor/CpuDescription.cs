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
        new(model.Name, model.Identity, model.Features.Except(ModelRules.NeverGiven), model.Optional);

    /// <summary>Writes the members into the object that is open.</summary>
    public void WriteMembers(Utf8JsonWriter json)
    {
        json.WriteString("name", Name);
        Identity.WriteMembers(json);
        json.WriteFeatures("features", Features);
        json.WriteFeatures("onRequest", OnRequest);
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
