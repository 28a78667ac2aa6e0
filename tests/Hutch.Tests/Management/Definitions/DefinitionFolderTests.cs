using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json.Serialization;
using Hutch.Management.Definitions;
using Xunit;

namespace Hutch.Tests.Management.Definitions;

public sealed class DefinitionFolderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-definitions-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("demo")]
    [InlineData("../outside")]
    [InlineData(".hidden")]
    [InlineData("a b%2fc ü")]
    public void What_is_saved_is_found_again_under_any_name(string name)
    {
        DefinitionFolder<DefinitionFolderTestsThing> folder = Folder();
        folder.Save(name, new DefinitionFolderTestsThing("first"));
        folder.Save(name, new DefinitionFolderTestsThing("second"));
        Assert.Equal([(name, new DefinitionFolderTestsThing("second"))], Folder().Load(Fail));
        Assert.Single(Directory.GetFileSystemEntries(Path.Combine(_folder, "things")));
        folder.Remove(name);
        folder.Remove(name);
        Assert.Empty(Folder().Load(Fail));
    }

    [Fact]
    public void A_file_that_cannot_be_used_is_told_of_and_left_alone()
    {
        Folder().Save("good", new DefinitionFolderTestsThing("x"));
        string broken = Path.Combine(_folder, "things", "broken.json");
        File.WriteAllText(broken, "{");
        List<string> complaints = [];
        Assert.Single(Folder().Load(complaints.Add));
        Assert.StartsWith(broken, Assert.Single(complaints), StringComparison.Ordinal);
        Assert.Equal("{", File.ReadAllText(broken));
    }

    [Fact]
    public void What_a_killed_writer_left_is_not_read_and_does_not_block_the_next()
    {
        Folder().Save("demo", new DefinitionFolderTestsThing("old"));
        File.WriteAllText(Path.Combine(_folder, "things", "demo.json.partial"), "{\"Text\":\"ha");
        Assert.Equal("old", Assert.Single(Folder().Load(Fail)).Definition.Text);
        Folder().Save("demo", new DefinitionFolderTestsThing("new"));
        Assert.Equal("new", Assert.Single(Folder().Load(Fail)).Definition.Text);
    }

    private DefinitionFolder<DefinitionFolderTestsThing> Folder() => new(Path.Combine(_folder, "things"), DefinitionFolderTestsJson.Default.DefinitionFolderTestsThing);

    private static void Fail(string complaint) => Assert.Fail(complaint);
}

internal sealed record DefinitionFolderTestsThing(string Text);

[JsonSerializable(typeof(DefinitionFolderTestsThing))]
internal sealed partial class DefinitionFolderTestsJson : JsonSerializerContext;
